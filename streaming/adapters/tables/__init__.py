"""Azure Table Storage: the real ``ControlStore`` and ``ShardStore``."""
