"""Where a bucket is, and what is wrong when it can't be used: one line that says what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

REGION = "us-east-1"
"""What stores without regions expect."""
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_METADATA = "169.254.169.254"  # where machines in the cloud find credentials of their own
_ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_CREDENTIALS = {"SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "ExpiredToken"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A bucket, and the folder in it."""

    bucket: str
    prefix: str
    endpoint: str
    """Empty: Amazon's own."""
    region: str

    @classmethod
    def parse(cls, url: str, environment: Mapping[str, str]) -> Address:
        """Read ``s3://BUCKET/PREFIX?endpoint=…&region=…``; what it leaves out may be in AWS_* variables."""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or ""
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or REGION
        return cls(
            bucket=parts.netloc,
            prefix=parts.path.strip("/"),
            endpoint=options.get("endpoint", endpoint).rstrip("/"),
            region=options.get("region", region),
        )

    @property
    def is_plain(self) -> bool:
        """Whether it is reached without TLS."""
        return self.endpoint.startswith("http://")

    @property
    def place(self) -> str:
        """As people read it."""
        return self.endpoint or f"Amazon S3 in {self.region}"


def refusal(error: Exception, address: Address, environment: Mapping[str, str]) -> str:
    """What the first attempt to use a bucket has met, and what to do about it."""
    text = str(error)
    status, code = _found(_STATUS, text), _found(_CODE, text)
    bucket, place = address.bucket, address.place
    if _METADATA in text or (isinstance(error, TimeoutError) and not environment.get("AWS_ACCESS_KEY_ID")):
        return (
            "There are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a "
            "role that may use the bucket."
        )
    if code in _CREDENTIALS or status == "401":
        return (
            f"{place} refuses the credentials ({code or status}): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, "
            "if there is one, AWS_SESSION_TOKEN."
        )
    if code in _ELSEWHERE or status == "301":
        return (
            f"The bucket {bucket} is not in the region {address.region}: name its region in ACTORIUM_BLOBS "
            f"(s3://{bucket}?region=...)."
        )
    if status == "403":
        return (
            f"{place} does not let these credentials use the bucket {bucket} ({code or status}): they need to get, "
            "put, delete and list objects."
        )
    if code == "NoSuchBucket" or status == "404":
        return f"There is no bucket {bucket} at {place}: create it, or correct ACTORIUM_BLOBS."
    if status:
        return f"{place} answers {status} {code}".rstrip() + f" for the bucket {bucket}: look into its log."
    return f"{place} cannot be reached: check the endpoint in ACTORIUM_BLOBS, and that the store runs."


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""
