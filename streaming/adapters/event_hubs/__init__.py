"""Azure Event Hubs behind the ``Publisher`` port: the only place that knows the SDK ``azure-eventhub``.

``connection`` reads the settings, ``encoder`` writes a batch's bytes, ``link`` is one partition's connection, ``lanes``
keeps them, ``publisher`` is the port, ``errors`` classifies what goes wrong, ``connection_check`` tells a person.
"""
