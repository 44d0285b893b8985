"""Files and manifests into the cluster: gather, upload, queue, follow."""
