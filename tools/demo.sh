#!/bin/sh
# The demo: a prover runs three INT4 setups as an A100 would, a verifier re-executes each claim under each setup as an
# H100 would, and then with the claimed device. Usage: tools/demo.sh ASSAY   (the report goes to stdout, runs to runs/demo*)
set -eu
cd "$(dirname "$0")/.."
assay=$1
rm -rf runs/demo runs/demo-h100 runs/demo-a100
# A verdict is the report's; a refuted or undecided claim (exit codes 1 and 3) is a result, not a failure of the demo.
"$assay" generate demo/experiment.yaml -o runs/demo --device a100
"$assay" verify runs/demo -e demo/experiment.yaml -o runs/demo-h100 --device h100 --calibration demo/calibration.json || [ $? -ne 2 ]
printf '\n################ The same record, verified with the claimed device ################\n\n'
"$assay" verify runs/demo -e demo/experiment.yaml -o runs/demo-a100 --device a100 --replay decode --calibration demo/calibration.json || [ $? -ne 2 ]
