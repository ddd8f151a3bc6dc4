#!/bin/sh
# Tells snakemake how a job fares: running, success or failed.
case $(sacct --jobs "$1" --allocations --noheader --format State) in
    *COMPLETED*) echo success ;;
    *BOOT_FAIL* | *CANCELLED* | *DEADLINE* | *FAILED* | *NODE_FAIL* | *OUT_OF_ME* | *TIMEOUT*) echo failed ;;
    *) echo running ;; # or waiting, or not in the accounting yet
esac
