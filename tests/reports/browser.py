"""A headless Chromium for tests, driven through its debugging pipe (messages of JSON, each ended by a zero byte)."""

import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 60  # seconds; a machine may be busy


def found():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of one browser; `errors` are what its console complained of, `asked` the addresses it loaded."""

    def __init__(self, profile):
        into, self._write = os.pipe()
        self._read, out = os.pipe()
        command = [found(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        command += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]

        def hand_over():  # Chromium reads from 3 and writes to 4
            first, second = os.dup(into), os.dup(out)
            os.dup2(first, 3)
            os.dup2(second, 4)

        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, preexec_fn=hand_over, close_fds=False, **silent)
        os.close(into)
        os.close(out)
        self._rest, self._number, self._session = b"", 0, None
        self.errors, self.asked, self._loaded = [], [], False
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """What a method of the protocol returns."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self):
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            assert select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))[0], (
                "the browser is silent"
            )
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        message = json.loads(message)
        self._note(message)
        return message

    def _note(self, message):
        method, given = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(given["exceptionDetails"].get("exception", given["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning"):
            self.errors.append(given["args"])
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.errors.append(given["entry"])
        elif method == "Network.requestWillBeSent":
            self.asked.append(given["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True

    def show(self, address, width=1280, height=900, scheme="light"):
        """Load a page at this size."""
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for each in ("about:blank", address):  # from elsewhere: another `#` of the same page would load nothing
            self._loaded = False
            self.call("Page.navigate", url=each)
            while not self._loaded:
                self._next()

    def value(self, expression):
        """What JavaScript says."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key, text=""):
        """A key, down and up."""
        code = {"Enter": 13, "Escape": 27, "Tab": 9}[key]
        given = {"key": key, "code": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self.call("Input.dispatchKeyEvent", type="keyDown", **given)
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def type(self, text):
        """Text into what has the focus."""
        self.call("Input.insertText", text=text)

    def close(self):
        """End the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
