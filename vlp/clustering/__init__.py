"""k-means over the mesh, for any number of points and centres, and the assignment to the nearest centres."""

from vlp.clustering.kmeans import Clustering, Progress, cluster, nearest_centres
from vlp.clustering.settings import KMeans
from vlp.clustering.sharded import Points

__all__ = ["Clustering", "KMeans", "Points", "Progress", "cluster", "nearest_centres"]
