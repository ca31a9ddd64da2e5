#!/bin/sh
# Prints the Python to set up with: $PYTHON, else an existing virtual environment's, else the first one on the
# PATH that is new enough. The ones that the dependencies are tested on come first.
fits() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c "import sys; sys.exit(not ($2))" >/dev/null 2>&1
}

venv=${VENV:-.venv}
if [ -n "$PYTHON" ]; then
    if fits "$PYTHON" "sys.version_info >= (3, 11)"; then
        echo "$PYTHON"
        exit 0
    fi
    echo "error: PYTHON=$PYTHON is not a Python 3.11 or newer; choose another one." >&2
    exit 2
fi
if fits "$venv/bin/python" "sys.version_info >= (3, 11)"; then
    echo "$venv/bin/python"
    exit 0
fi
for candidate in python3 python3.13 python3.12 python3.11 python; do
    if fits "$candidate" "(3, 11) <= sys.version_info < (3, 14)"; then
        echo "$candidate"
        exit 0
    fi
done
for candidate in python3 python; do
    if fits "$candidate" "sys.version_info >= (3, 14)"; then
        echo "$candidate"
        exit 0
    fi
done
echo "error: no Python 3.11 or newer was found. Install one (python.org, or your system's python3), or name it: make PYTHON=/path/to/python3 ..." >&2
exit 2
