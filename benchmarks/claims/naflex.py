"""Images at their own aspect ratio beside squares of as many patches."""

from benchmarks.claims import Claim, train

ALL, WHOLE = "--config.model.image.patch_dropout=0", "--config.data.image.resize=squash"

CLAIM = Claim(
    title="NaFlex: native aspect ratio at one budget of tokens",
    arxiv="2502.14786",
    says="at equal sequence lengths retrieval is as good as of squashed images in natural pictures, and better in "
    "documents and screens (figure 3)",
    arms={
        "squashed": train(ALL, WHOLE),
        "padded to squares": train(ALL),
        "native": train(ALL, WHOLE, "--config.model.image.kind=naflex", "--config.model.image.patches=64"),
    },
)
