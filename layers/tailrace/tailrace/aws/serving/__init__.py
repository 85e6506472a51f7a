"""The api stage: a room for each resource, and the door to all of them in :mod:`tailrace.aws.serving.api`."""
