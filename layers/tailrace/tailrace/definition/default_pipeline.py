"""Which pipeline a stack runs that names none; a module of its own, since not every function loads a pipeline."""

DEFAULT_PIPELINE = "pipeline.definition:pipeline"
