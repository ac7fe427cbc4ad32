"""What Oncoserve knows, whatever the front door: pictures, models, predictions, results, jobs."""

__version__ = "0.1.0"

NOTICE = "Research use only. Not a medical device."
