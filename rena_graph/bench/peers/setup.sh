#!/usr/bin/env bash
# One virtual environment a peer, in $PEER_VENVS (default: /tmp/rena-graph-peers), for `rena-graph bench --peers DIR`.
# PYTHON chooses the interpreter: 3.10 to 3.12, since physiolabxr 1.1.3 wants numpy 1.26.
# Arguments name the peers to install: ezmsg dora timeflux physiolabxr; all where there are none.
set -euo pipefail

folder=${PEER_VENVS:-/tmp/rena-graph-peers}
wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=(ezmsg dora timeflux physiolabxr)

make() { "${PYTHON:-python3}" -m venv "$folder/$1"; }
install() { "$folder/$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"; }
works() { "$folder/$1/bin/python" -W ignore -c "$2" && echo "made $folder/$1"; }

for peer in "${wanted[@]}"; do
    case $peer in
    ezmsg)
        make ezmsg
        install ezmsg "ezmsg==3.9.0" numpy
        works ezmsg "import ezmsg.core"
        ;;
    dora)
        make dora
        install dora "dora-rs==1.1.0" "dora-rs-cli==1.1.0" numpy pyarrow
        works dora "import dora"
        ;;
    timeflux)
        make timeflux
        install timeflux "timeflux==0.17.2"
        works timeflux "import timeflux.core.node"
        ;;
    physiolabxr)
        make physiolabxr
        # Without its dependencies, of which its buffers need these four and the rest is a desktop application's.
        install physiolabxr --no-deps "physiolabxr==1.1.3"
        install physiolabxr "numpy~=1.26.0" scipy pyserial "opencv-python-headless<4.11"
        works physiolabxr "from physiolabxr.utils.buffers import DataBuffer"
        ;;
    *)
        echo "no peer is called $peer: there are ezmsg, dora, timeflux, physiolabxr" >&2
        exit 2
        ;;
    esac
done
