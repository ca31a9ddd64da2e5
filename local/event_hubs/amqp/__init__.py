"""AMQP 1.0: values, frames, performatives and messages. Pure: bytes in, values out, no I/O."""
