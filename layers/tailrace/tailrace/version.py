"""The version of this release, and the only place to change it: see docs/releasing.md."""

VERSION = "0.1.0"
