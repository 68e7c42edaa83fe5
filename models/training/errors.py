"""What stops an evaluation."""


class EvaluationError(Exception):
    """Something that must be there is not, or is not what it must be; the message names it, the reason and what to do."""
