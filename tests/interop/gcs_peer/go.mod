module tenure.test/interop/gcs_peer

go 1.25.0
