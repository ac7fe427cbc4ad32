"""Where results are kept, for how long, and what they may take."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class StorageSettings(BaseSettings):
    """A part of `Settings`."""

    model_config = SettingsConfigDict(use_attribute_docstrings=True)

    results_dir: Path = Path("results")
    """Folder that keeps the results."""

    object_store: Literal["files", "s3"] = "files"
    """Where results are kept: files, in ONCO_RESULTS_DIR, or s3, a bucket that several machines share."""

    s3_endpoint: str = Field(default="", pattern=r"^(https?://[^/\s]+)?$")
    """Address of the S3-compatible store, such as https://s3.hospital.example; empty means AWS."""

    s3_bucket: str = ""
    """Bucket of the results."""

    s3_prefix: str = Field(default="", pattern=r"^([\w.-]+(/[\w.-]+)*)?$")
    """What the keys of all objects in the bucket begin with."""

    s3_region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]+$")
    """Region of the bucket."""

    s3_access_key_file: Path | None = None
    """File with the access key; empty means that environment or machine say who asks, as AWS's tools look for it."""

    s3_secret_key_file: Path | None = None
    """File with the secret key; both files are read again every minute."""

    s3_ca_file: Path | None = None
    """File with the certificates, PEM, that vouch for the store; empty means those of the system."""

    object_cache_bytes: int = Field(default=2 * 2**30, ge=0)
    """Bytes of results that a machine keeps beside the bucket, in ONCO_RESULTS_DIR/cache; 0 is none."""

    results_ttl_s: int = Field(default=7 * 24 * 3600, ge=0)
    """Seconds that a result is kept; 0 is for ever."""

    results_max_bytes: int = Field(default=100 * 2**30, ge=0)
    """Bytes that results may take; the oldest unused ones make room, unless a running job needs them; 0 is no limit."""

    min_free_bytes: int = Field(default=512 * 2**20, ge=0)
    """Bytes that stay free where results are kept; with less, new work is refused."""

    min_free_inodes: int = Field(default=1000, ge=0)
    """Files that can still be made where results are kept; with less, new work is refused."""

    storage_timeout_s: float = Field(default=10.0, ge=0.1, le=300)
    """Longest wait for the disk, in seconds, per file or transaction that a caller waits for."""

    @model_validator(mode="after")
    def _bucket_is_named(self) -> Self:
        if self.object_store == "s3" and not self.s3_bucket:
            raise ValueError("ONCO_OBJECT_STORE=s3 needs ONCO_S3_BUCKET too")
        if (self.s3_access_key_file is None) != (self.s3_secret_key_file is None):
            raise ValueError("ONCO_S3_ACCESS_KEY_FILE and ONCO_S3_SECRET_KEY_FILE are given together, or neither is")
        for each in (self.s3_access_key_file, self.s3_secret_key_file, self.s3_ca_file):
            if self.object_store == "s3" and each is not None and not each.is_file():
                raise ValueError(f"there is no file {each}, which is to be read to ask the object store")
        return self
