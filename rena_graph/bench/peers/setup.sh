#!/usr/bin/env bash
# One virtual environment a peer, in $PEER_VENVS (default: /tmp/rena-graph-peers), for `rena-graph bench --peers DIR`.
# PYTHON chooses the interpreter: 3.9 to 3.12, since physiolabxr 1.1.3 wants numpy 1.26.
set -euo pipefail

folder=${PEER_VENVS:-/tmp/rena-graph-peers}

"${PYTHON:-python3}" -m venv "$folder/physiolabxr"
pip=("$folder/physiolabxr/bin/python" -m pip install --quiet --disable-pip-version-check)
# Without its dependencies, of which its buffers need these four and the rest is a desktop application's.
"${pip[@]}" --no-deps physiolabxr==1.1.3
"${pip[@]}" "numpy~=1.26.0" scipy pyserial "opencv-python-headless<4.11"
"$folder/physiolabxr/bin/python" -W ignore -c "from physiolabxr.utils.buffers import DataBuffer"
echo "made $folder/physiolabxr"
