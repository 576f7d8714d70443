"""What the "?" beside a page's title says: what the page shows and how to use it, for each address.

Nothing is shown before somebody asks.
"""

HELP = {  # address of the page: three to five sentences
    "": (
        "Drag the slider, or use the arrow keys: every number and mark on the page follows it.",
        "Accuracy is measured on unchanged examples, accuracy under attack on examples that an "
        "attack tries to change until the model is wrong.",
        "A solid mark was measured. A hollow one, and a value with ≈, is interpolated.",
        "The studies and the sparsity that you pick here stay selected on every page.",
    ),
    "layers": (
        "Each cell of the map is one layer: how far its output is from the dense model's, relative "
        "to the size of that output.",
        "The colours span two powers of ten and are the same at every sparsity of the study.",
        "Pick a cell to see its error at every sparsity and what the pruner did to the layer.",
        "Further down, a sentence is followed block by block through the dense and the pruned "
        "model.",
    ),
    "attack": (
        "Pick or type a sentence, and up to three pruned models beside the dense one.",
        "The attack changes characters or words until a model no longer predicts the true label.",
        "All models are offered the same candidates with the same seed, so they can be compared "
        "word by word.",
        "A model that withstands one attack may fail another.",
    ),
    "compare": (
        "One row of the table is one study at the sparsity of the slider.",
        "Differences are to the baseline that you pin.",
        "The Pareto front shows the models that no other one beats in both directions.",
        "The last part lists the examples that two models treat differently; tick one to open it "
        "on Attack.",
    ),
    "figure": (
        "Choose what the figure shows and the size of the column it is for.",
        "The figure has no cursor and uses the names that papers use.",
        "Download it as PDF, SVG or PNG; the file says which studies it was made from.",
        "The table beside it has every value with its 95% interval, for LaTeX or Markdown.",
    ),
    "check": (
        "Give a fine-tuned classifier and labelled examples of your own.",
        "The preview shows how many rows were read and how your labels map to the model's classes.",
        "The estimate says how long the study takes on this machine.",
        "The answer is the sparsity up to which your model stays safe, with its confidence, and "
        "the smaller model to download.",
    ),
    "studies": (
        "A study is one model, one data set, one pruning method and one attack, measured at "
        "several sparsities.",
        "Start one here, follow it, and stop or resume it; it goes on when the page is closed.",
        "Finished studies can be selected on every page, exported and imported.",
    ),
    "dense": (
        "Several fine-tuned models are averaged into one dense model before pruning.",
        "The charts show how accuracy and accuracy under attack change with the members of the "
        "average.",
        "The members are chosen on a selection set, and reported on other examples.",
    ),
    "bias": (
        "The models of this page were trained on data with a shortcut, then pruned to subnetworks "
        "without it.",
        "In-distribution examples agree with the shortcut; out-of-distribution examples contradict "
        "it.",
        "The generalization gap is the difference between the two.",
        "A model near chance in distribution says nothing out of distribution.",
    ),
    "about": (
        "This page defines every number, with its formula and what it does not mean.",
        "It also describes how models are pruned and attacked, and names the papers behind it.",
    ),
}
