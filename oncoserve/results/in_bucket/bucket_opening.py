"""The results in a bucket, as the settings say where it is."""

from functools import partial

from oncoserve.objects.bucket import Bucket, Place
from oncoserve.objects.bucket_watch import BucketWatch
from oncoserve.objects.local_cache import LocalCache
from oncoserve.results.damage import Damage
from oncoserve.results.in_bucket.bucket_expiry import BucketSweeper
from oncoserve.results.in_bucket.bucket_results import BucketResults
from oncoserve.results.result_store import Keeping
from oncoserve.storage_settings import StorageSettings


def open_bucket(settings: StorageSettings, damage: Damage) -> Keeping:
    """Nothing is asked before it is needed."""
    watch = watch_of(settings)
    cache = LocalCache(settings.results_dir / "cache", settings.object_cache_bytes)
    store = BucketResults(watch, cache, settings.results_ttl_s, damage)
    return Keeping(store, partial(BucketSweeper, store, settings.results_max_bytes))


def watch_of(settings: StorageSettings) -> BucketWatch:
    """The bucket that the settings name."""
    return BucketWatch(Bucket(place_of(settings), settings.storage_timeout_s), settings.storage_timeout_s)


def place_of(settings: StorageSettings) -> Place:
    """Where it is, and who asks."""
    return Place(
        settings.s3_bucket,
        settings.s3_endpoint,
        settings.s3_region,
        settings.s3_prefix,
        settings.s3_access_key_file,
        settings.s3_secret_key_file,
        settings.s3_ca_file,
    )
