"""What many images cost and how long they take: a measurement, a cost model, and a simulation of scaling."""
