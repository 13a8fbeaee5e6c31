"""Where the microseconds of a chunk go in bridges and links between hosts: time stamps between the steps."""
