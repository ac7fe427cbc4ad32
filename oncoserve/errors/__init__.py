"""Every error that a caller can meet.

PlatformError
├── RequestError (4xx: the caller can put it right)
│   ├── EmptyUpload 400, MissingImage 400, MissingImages 400, MalformedRequest 400 (TooManyFiles),
│   ├── Unauthorised 401, Forbidden 403
│   ├── RouteNotFound 404, ModelNotFound 404, ResultNotFound 404, SampleNotFound 404, RenderingNotAvailable 404
│   ├── JobNotFound 404, UploadNotFound 404, PictureNotKept 404
│   ├── VersionNotFound 404
│   ├── TileNotFound 404, CorrectionsNotAvailable 404, UnknownObjects 422, TooManyCorrections 422
│   ├── SourceNotDicom 404, NothingToSegment 404, SourceIncomplete 422, EvidenceFailed 422
│   ├── MethodNotAllowed 405, NotAcceptable 406, RequestTimeout 408
│   ├── JobNotEnded 409, NothingToRetry 409
│   ├── UploadTooLarge 413, ImageTooLarge 413, ImageTooComplex 413, AreaTooLarge 413, TooManyImages 413,
│   │   AnswerTooLarge 413, JobTooLarge 413
│   ├── UnsupportedImage 415
│   ├── CorruptImage 422, InvalidParameter 422, OutOfScope 422, UnusableArchive 422, SeveralStudies 422
│   ├── TooManyRequests 429, TooManyQueuedImages 429
│   └── HeadTooLarge 431
└── ServiceError (5xx: the caller can try again)
    ├── InternalError 500, AttemptsExhausted 500, ModelProcessEnded 500, UploadsNotSupported 501
    ├── InferenceFailed 502
    ├── InferenceUnavailable 503, ModelNotReady 503, TooBusy 503, StorageUnavailable 503
    ├── TooManyConnections 503, JobsUnavailable 503, ShuttingDown 503, OutOfResources 503
    ├── StorageFull 503, QueueFull 503, NoRoom 503
    ├── DeadlineExceeded 504
    └── HttpVersionNotSupported 505

Each class states its HTTP status, a stable code for programs, a title, and what the caller can do; the constructor
takes domain words and builds the sentence. The page /errors and the OpenAPI document are made from these classes.
"""

from oncoserve.errors.job_errors import (
    JobNotEnded,
    JobNotFound,
    JobTooLarge,
    MissingImages,
    NothingToRetry,
    PictureNotKept,
    SeveralStudies,
    TooManyImages,
    TooManyQueuedImages,
    UnusableArchive,
    UploadNotFound,
)
from oncoserve.errors.platform import PlatformError, RequestError, ServiceError, all_errors
from oncoserve.errors.request_errors import (
    AnswerTooLarge,
    AreaTooLarge,
    CorruptImage,
    EmptyUpload,
    Forbidden,
    HeadTooLarge,
    ImageTooComplex,
    ImageTooLarge,
    InvalidParameter,
    MalformedRequest,
    MethodNotAllowed,
    MissingImage,
    ModelNotFound,
    NotAcceptable,
    OutOfScope,
    RenderingNotAvailable,
    RequestTimeout,
    ResultNotFound,
    RouteNotFound,
    SampleNotFound,
    TooManyFiles,
    TooManyRequests,
    Unauthorised,
    UnsupportedImage,
    UploadTooLarge,
    VersionNotFound,
)
from oncoserve.errors.service_errors import (
    AttemptsExhausted,
    DeadlineExceeded,
    HttpVersionNotSupported,
    InferenceFailed,
    InferenceUnavailable,
    InternalError,
    JobsUnavailable,
    ModelNotReady,
    ModelProcessEnded,
    NoRoom,
    OutOfResources,
    QueueFull,
    ShuttingDown,
    StorageFull,
    StorageUnavailable,
    TooBusy,
    TooManyConnections,
    UploadsNotSupported,
)
from oncoserve.errors.viewing_errors import (
    CorrectionsNotAvailable,
    EvidenceFailed,
    NothingToSegment,
    SourceIncomplete,
    SourceNotDicom,
    TileNotFound,
    TooManyCorrections,
    UnknownObjects,
)

__all__ = [
    "AnswerTooLarge",
    "AreaTooLarge",
    "AttemptsExhausted",
    "CorrectionsNotAvailable",
    "CorruptImage",
    "DeadlineExceeded",
    "EmptyUpload",
    "EvidenceFailed",
    "Forbidden",
    "HeadTooLarge",
    "HttpVersionNotSupported",
    "ImageTooComplex",
    "ImageTooLarge",
    "InferenceFailed",
    "InferenceUnavailable",
    "InternalError",
    "InvalidParameter",
    "JobNotEnded",
    "JobNotFound",
    "JobTooLarge",
    "JobsUnavailable",
    "MalformedRequest",
    "MethodNotAllowed",
    "MissingImage",
    "MissingImages",
    "ModelNotFound",
    "ModelNotReady",
    "ModelProcessEnded",
    "NoRoom",
    "NotAcceptable",
    "NothingToRetry",
    "NothingToSegment",
    "OutOfResources",
    "OutOfScope",
    "PictureNotKept",
    "PlatformError",
    "QueueFull",
    "RenderingNotAvailable",
    "RequestError",
    "RequestTimeout",
    "ResultNotFound",
    "RouteNotFound",
    "SampleNotFound",
    "ServiceError",
    "SeveralStudies",
    "ShuttingDown",
    "SourceIncomplete",
    "SourceNotDicom",
    "StorageFull",
    "StorageUnavailable",
    "TileNotFound",
    "TooBusy",
    "TooManyConnections",
    "TooManyCorrections",
    "TooManyFiles",
    "TooManyImages",
    "TooManyQueuedImages",
    "TooManyRequests",
    "Unauthorised",
    "UnknownObjects",
    "UnsupportedImage",
    "UnusableArchive",
    "UploadNotFound",
    "UploadTooLarge",
    "UploadsNotSupported",
    "VersionNotFound",
    "all_errors",
]
