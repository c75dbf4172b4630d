"""The stream: segment changes over Server-Sent Events, read once by each process and fanned out to its clients."""
