"""Claims of papers, tried at small scale: one recipe, one number of samples, a few seeds, mean and spread.

    python -m benchmarks.claims --output=runs/claims [--only=NAME,..] [--seeds=3] [--steps=150] [--data=FOLDER]
                                [--record]   # keeps the results of whole claims in results/
    python -m benchmarks.claims --list           # what there is, with results or not, and methods without
    python -m benchmarks.claims --tables         # writes the tables of docs/claims.md anew, and runs nothing

A file of this folder declares a claim, or a few that share their runs; nothing else names it:

    from benchmarks.claims import Claim, job, on, train

    CLIP = train()  # configs/quickstart.py:runlocal, at batch 64
    CLUSTERS = job(  # --job=cluster; once for all seeds, for it reads the run of seed 0
        "cluster", "--checkpoint={first}", "--output={folder}", "--config.cluster.k=256", first=train(seed=0)
    )
    CLAIM = Claim(
        title="MLCD beside CLIP",
        arxiv="2407.17331",
        says="clusters as classes give better features: 75.2 by 8 labels, 71.4 by one (table 5)",
        arms={
            "CLIP": CLIP,
            "CLIP + MLCD": train(
                *on("discrimination", 0.1, classes=256),
                "--config.data.tables={'cluster_ids': {'path': '{clusters}/clusters.parquet'}}",
                clusters=CLUSTERS,
            ),
        },
    )

An arm is the last step of a chain: `train` (main.py with the recipe's flags, which yours may replace), `job` (main.py
with yours alone) or `make` (a function of yours, which fills a folder). A step's keyword arguments are the steps that
it needs; `{name}` in its flags is the folder of such a step, `{folder}` its own, `{seed}` the seed, `{steps}` how many
there are. Steps that are the same are run once, for whichever arms, seeds and files: a job or function that neither
says the seed nor needs a step of it is the same for all seeds. `train(times=2)` takes twice the steps, `train(seed=0)`
that seed always, `train(config="configs/x.py:runlocal")` another file.

`figures` of a claim are columns: by name, a path in the arm's `results.json` or a function of its folder, as a
`Figure` with what chance would reach; those of `FIGURES` by default. `seeds` are 3 and `steps` 150 unless the file or a
flag says otherwise. The first arm is what the others are compared with, seed by seed (`against`).
What is finished in --output is not run again, whatever changed in the code since: take another folder, or delete it.
A run that fails leaves its output, one line says so, and the others go on. Results are in --output as NAME.json; those
that --record keeps here make the tables of docs/claims.md, from `<!-- claim NAME -->` to `<!-- end -->`.
Files whose names begin with _ are no claims: put there what several of yours share.

To try a file, cheaply: `python -m benchmarks.claims --only=NAME --steps=4 --seeds=1 --output=FOLDER`; the parser alone,
without a run: `pytest tests/benchmarks/test_claims.py -k NAME`.
"""

from benchmarks.claims._claim import Claim, Step, job, make, on, train
from benchmarks.claims._figures import FIGURES, SET, Figure, tag_map

__all__ = ["FIGURES", "SET", "Claim", "Figure", "Step", "job", "make", "on", "tag_map", "train"]
