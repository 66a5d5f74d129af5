#!/bin/sh
# The demo: a prover runs three INT4 setups in the arithmetic of `exact`, a verifier re-executes each claim under each
# setup in that of `ieee`. Usage: tools/demo.sh ASSAY   (the report goes to stdout, runs to runs/demo*)
set -eu
cd "$(dirname "$0")/.."
assay=$1
rm -rf runs/demo runs/demo-verified
"$assay" generate demo/experiment.yaml -o runs/demo --device exact
# The verdict is the report's; a refuted or undecided claim (exit codes 1 and 3) is a result, not a failure of the demo.
"$assay" verify runs/demo -e demo/experiment.yaml -o runs/demo-verified --device ieee || [ $? -ne 2 ]
