# SPDX-License-Identifier: MIT
"""Prints the numbers of test_clouds.c: public implementations on the points of tests/golden/evaluate_reference.h5.

    python tests/evaluate/clouds_reference.py tests/golden/evaluate_reference.h5

Needs h5py, numpy, scipy, scikit-learn, dcor (energy distance) and prdc (precision and recall, by the authors of Naeem et
al. 2020). None of it calls cytoforge.
"""
import sys

import dcor
import h5py
import numpy as np
import prdc
from scipy import stats
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

with h5py.File(sys.argv[1]) as file:
    points = file["points/points"][:].astype(np.float64)
real, fake = points[:70], points[70:]
label = np.arange(len(points)) >= 70
shares = prdc.compute_prdc(real_features=real, fake_features=fake, nearest_k=3)
print("energy", repr(float(dcor.energy_distance(real, fake))))
print("nearest", cross_val_score(KNeighborsClassifier(1), points, label, cv=LeaveOneOut()).mean())
print("precision", shares["precision"], "recall", shares["recall"])
print("wasserstein", repr(float(stats.wasserstein_distance(real[:, 0], fake[:, 0]))))
print("ks", repr(float(stats.ks_2samp(real[:, 0], fake[:, 0]).statistic)))
