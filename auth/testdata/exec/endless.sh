#!/bin/sh
# Never stops printing.
yes >&2
