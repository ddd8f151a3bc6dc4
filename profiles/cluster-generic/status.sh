#!/bin/sh
# Prints the state of a job for snakemake: running, success or failed.
case $(sacct --jobs "$1" --allocations --noheader --format State) in
    *COMPLETED*) echo success ;;
    *BOOT_FAIL* | *CANCELLED* | *DEADLINE* | *FAILED* | *NODE_FAIL* | *OUT_OF_ME* | *TIMEOUT*) echo failed ;;
    *) echo running ;; # or pending, or not in the accounting yet
esac
