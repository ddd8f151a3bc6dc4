"""What every stage stands on: ids, artifacts, the record file, the command line of a stage."""
