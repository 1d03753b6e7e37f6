"""What rules need before anything is measured: samples, processes, and the chance that they are decided."""
