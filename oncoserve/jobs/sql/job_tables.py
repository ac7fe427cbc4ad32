"""The tables of queue and records."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table

NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows itself only where they are INTEGER

metadata = MetaData()

# Times are seconds since 1970, UTC. `swept`: names and results of an expired job are gone.
jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("model", String, nullable=False),
    Column("parameters", String, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("swept", Integer, nullable=False, default=0),
    Index("jobs_of_owner", "owner", "created", "id"),
    Index("jobs_by_expiry", "swept", "expires"),
)

images = Table(
    "images",
    metadata,
    Column("job_id", String, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("object", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("outcome", String),
    Index("images_by_state", "job_id", "state"),
)

# A message may be received from `visible` on, whether it was leased before or not; `receipt` proves the newest lease.
messages = Table(
    "messages",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("model", String, nullable=False),
    Column("job_id", String, nullable=False),
    Column("body", String, nullable=False),
    Column("visible", Float, nullable=False),
    Column("deliveries", Integer, nullable=False, default=0),
    Column("receipt", String),
    Index("messages_to_receive", "model", "visible", "id"),
    Index("messages_of_job", "job_id"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("model", String, nullable=False),
    Column("body", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("buried", Float, nullable=False),
    Index("dead_letters_by_time", "buried"),
)
