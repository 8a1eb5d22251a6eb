"""Runs what the host wants run in the guest, one command after another.

    python3 shell.py DIRECTORY

The host leaves the text of each as a file in DIRECTORY, numbered; what became of it is a line of
JSON on the console. Ends where none comes for long, as the host's test may have died.
"""

import json
import os
import subprocess
import sys
import time

DIRECTORY = sys.argv[1]
PATIENCE_SECONDS = 300


def awaited(path):
    patient_until = time.monotonic() + PATIENCE_SECONDS
    while not os.path.exists(path):
        if time.monotonic() > patient_until:
            sys.exit()
        time.sleep(0.005)
    with open(path) as file:
        return file.read()


number = 0
while True:
    command = awaited(f"{DIRECTORY}/command-{number}")
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    answer = {"exitCode": ran.returncode, "stdout": ran.stdout, "stderr": ran.stderr}
    # The console may be in the middle of a line of the kernel's.
    os.write(1, f"\n@@{json.dumps(answer)}\n".encode())
    number += 1
