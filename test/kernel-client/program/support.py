"""What the checks are made of: mounts, files, processes, and what the host is told."""

import errno
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback

DIRECTORY, SERVER, VERSION = sys.argv[1:]
HERE, THERE = "/mnt/efs", "/mnt/again"
OPTIONS = (
    f"nfsvers={VERSION},rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,port=2049"
)
# NFSv4.0 knows no end of reclaiming: after a crash the server waits for a whole lease, 90 s.
CHECK_LIMIT_SECONDS = 150

EXCLUSIVE, SHARED, UNLOCKED = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN

checks = []
kernel_log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)


def check(sentence):
    def register(function):
        checks.append((sentence, function))
        return function

    return register


def run_checks():
    mounted = report("the kernel mounts the file system", mount_both)
    print_line(mounted)
    for sentence, function in checks if mounted["failure"] is None else []:
        home = f"{HERE}/{function.__name__}"
        print_line(report(sentence, lambda: run_at(home, function)))


def run_at(home, function):
    os.mkdir(home)
    os.chmod(home, 0o777)
    function(home)


def report(sentence, work):
    def late(number, frame):
        raise TimeoutError(f"not done after {CHECK_LIMIT_SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(CHECK_LIMIT_SECONDS)
    began = time.monotonic()
    try:
        work()
        failure = None
    except BaseException:
        failure = traceback.format_exc(limit=-4)
    finally:
        signal.alarm(0)
    return {"check": sentence, "failure": failure, "seconds": round(time.monotonic() - began, 2)}


def print_line(fact):
    # The console may be in the middle of a line of the kernel's.
    os.write(1, f"\n@@{json.dumps(fact)}\n".encode())


def mount_both():
    for point, sharing in ((HERE, "sharecache"), (THERE, "nosharecache")):
        os.mkdir(point)
        options = f"{OPTIONS},{sharing}"
        run("mount", "-t", "nfs4", "-o", options, f"{SERVER}:/", point)
    os.lseek(kernel_log, 0, os.SEEK_END)


def log_since_mount():
    """The kernel's messages."""
    try:
        while True:
            yield os.read(kernel_log, 8192).decode(errors="replace").partition(";")[2].strip()
    except BlockingIOError:
        return


def run(*command):
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert ran.returncode == 0, f"{' '.join(command)}: {ran.stdout}"


def there(path):
    """The same file through the other mount."""
    return THERE + path.removeprefix(HERE)


def contents(seed, length):
    return hashlib.shake_128(seed.encode()).digest(length)


def put(path, data, flags=os.O_CREAT | os.O_TRUNC):
    descriptor = os.open(path, os.O_WRONLY | flags, 0o644)
    write_all(descriptor, data)
    os.fsync(descriptor)
    os.close(descriptor)


def write_all(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def get(path):
    with open(path, "rb") as file:
        return file.read()


def opened(path):
    """Attributes as the server has them: opening a file asks for them."""
    with open(path, "rb") as file:
        return os.fstat(file.fileno())


def drop_caches():
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")


def refusal(call, *args):
    """The name of the errno that a call fails with; None where it succeeds."""
    try:
        call(*args)
        return None
    except OSError as error:
        return errno.errorcode[error.errno]


class Child:
    """Runs a function in a process of its own; `result` waits for what it returns."""

    def __init__(self, work):
        self.reader, writer = os.pipe()
        self.number = os.fork()
        if self.number != 0:
            os.close(writer)
            return
        try:
            answer = {"value": work()}
        except BaseException:
            answer = {"failure": traceback.format_exc(limit=-4)}
        write_all(writer, json.dumps(answer).encode())
        os._exit(0)

    def result(self):
        with open(self.reader, "rb") as file:
            answer = json.loads(file.read())
        os.waitpid(self.number, 0)
        assert "value" in answer, answer
        return answer["value"]

    def await_sleep(self):
        """Until it waits for something."""
        while open(f"/proc/{self.number}/stat").read().rpartition(")")[2].split()[0] != "S":
            time.sleep(0.01)


def try_range(path, kind, start, length):
    """Whether another process gets a byte-range lock: None, or the errno's name."""

    def work():
        with open(path, "r+b") as file:
            return refusal(fcntl.lockf, file, kind | fcntl.LOCK_NB, length, start)

    return Child(work).result()


def try_whole(path, kind):
    """Whether another open of the file gets it by flock."""
    with open(path, "r+b") as file:
        return refusal(fcntl.flock, file, kind | fcntl.LOCK_NB)


def ask_restart():
    """The host kills the server and starts it again; returns a function that tells when it has."""
    print_line({"restart": True})
    return lambda: os.path.exists(f"{DIRECTORY}/restarted")
