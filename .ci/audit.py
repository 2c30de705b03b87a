"""Audits the installed packages for known vulnerabilities. Ends with 0 where none is known, or where that cannot be
asked, which is said; with 1 where one is known, or pip-audit itself fails."""

from __future__ import annotations

import json
import subprocess
import sys

SECONDS = 180
COMMAND = (
    "-m",
    "pip_audit",
    "--local",
    "--skip-editable",
    "--progress-spinner",
    "off",
    "--timeout",
    "15",
    "--format",
    "json",
)
UNREACHED = (
    "connectionerror",
    "max retries",
    "timed out",
    "timeout",
    "could not connect",
    "name resolution",
    "unreachable",
)


def verdict(status: int, out: str, errors: str) -> tuple[int, str]:
    """The exit status, and what to say, of what pip-audit ended with and printed."""
    try:
        packages = json.loads(out)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (errors.strip().splitlines() or ["it said nothing"])[-1]
        if any(words in errors.lower() for words in UNREACHED):
            return 0, f"audit: skipped, the data on vulnerabilities cannot be reached ({last})"
        return 1, f"audit: pip-audit failed: {last}"
    asked = [package for package in packages if "vulns" in package]
    found = [
        f"audit: {package['name']} {package['version']}: {vulnerability['id']}"
        f", mended in {', '.join(vulnerability.get('fix_versions') or ['no version yet'])}"
        for package in asked
        for vulnerability in package["vulns"]
    ]
    if found:
        return 1, "\n".join(found)
    if not asked:
        return 0, "audit: skipped, the data on vulnerabilities cannot be reached (it knows none of the packages)"
    if status:
        return 1, f"audit: pip-audit failed with status {status}"
    return (
        0,
        f"audit: no known vulnerability in {len(asked)} of {len(packages)} packages (the others are not in the data)",
    )


def main() -> int:
    try:
        done = subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True, check=False, timeout=SECONDS)
        status, said = verdict(done.returncode, done.stdout, done.stderr)
    except subprocess.TimeoutExpired:
        status, said = 0, f"audit: skipped, there was no answer within {SECONDS} s"
    sys.stdout.write(f"{said}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
