#!/bin/sh
# Takes its time to accept.
sleep 0.3
