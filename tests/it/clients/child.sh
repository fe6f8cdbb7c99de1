#!/bin/sh
# A reader's child that does what its file says: what it is given as stdin is a script.
exec /bin/sh
