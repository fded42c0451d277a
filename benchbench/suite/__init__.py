"""From a YAML file to a validated suite; every fault names its file, line and column."""
