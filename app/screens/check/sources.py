"""Where the model and the data come from: built in, uploaded, on this machine, or on the hub."""

import streamlit as st

from prunescope import engine
from prunescope.app.charts.text import plain, visible
from prunescope.app.components.notices import show_error, show_notices
from prunescope.app.screens.check.fields import (
    help_of,
    keep,
    kept,
    key_of,
    restore,
    set_field,
    text,
)
from prunescope.app.state.resources import store

MODELS = {"built-in": "Built in", "folder": "Folder on this machine", "hub": "Hugging Face hub"}
BUILT_IN = {
    "embedded": "MiniLM-L6, film reviews (SST-2)",
    "embedded:ag_news": "MiniLM-L6, news topics (AG News)",
    "embedded:imdb": "MiniLM-L6, long film reviews (IMDb)",
}
DATA = {
    "upload": "Upload a file",
    "path": "Path on this machine",
    "hub": "Hugging Face hub",
    "built-in": "Built-in reviews",
}
TYPES = ["csv", "tsv", "txt", "jsonl", "json", "parquet", "arrow", "feather"]


def model_source() -> str:
    """The fields that name the model; its name, empty while none is given."""
    kind = _kind("model-kind", "Model", MODELS, "built-in")
    if kind == "built-in":
        key = restore("model-built-in", "embedded")
        if st.session_state[key] not in BUILT_IN:  # from a link
            st.session_state[key] = "embedded"
        st.selectbox("Built-in model", list(BUILT_IN), key=key, format_func=BUILT_IN.__getitem__)
        return str(keep("model-built-in"))
    if kind == "folder":
        return text(
            st,
            "model-folder",
            label="Folder of the model",
            placeholder="/home/me/my-classifier",
            help="A folder written by save_pretrained, with config.json, safetensors weights and "
            "the tokenizer. Nothing else in it is read or run.",
        )
    return text(
        st,
        "model-hub",
        label="Name on the hub",
        placeholder="textattack/bert-base-uncased-SST-2",
        help="A fine-tuned classifier. It is fetched when you look it up or start.",
    )


def data_source() -> str:
    """The fields that name the data; its name, empty while none is given."""
    kind = _kind("data-kind", "Data", DATA, "upload")
    if kind == "built-in":
        return "embedded"
    if kind == "upload":
        return _uploaded()
    if kind == "path":
        return text(
            st,
            "data-path",
            label="File or folder",
            placeholder="/home/me/reviews.csv",
            help=help_of("data"),
        )
    return text(
        st,
        "data-hub",
        label="Name on the hub",
        placeholder="nyu-mll/glue:sst2",
        help="NAME or NAME:CONFIG. It is fetched when you look it up or start.",
    )


def _kind(name: str, label: str, kinds: dict[str, str], default: str) -> str:
    key = restore(name, default)
    st.radio(
        label,
        list(kinds),
        key=key,
        format_func=kinds.__getitem__,
        horizontal=True,
        label_visibility="collapsed",
    )
    return str(keep(name))


def _uploaded() -> str:
    """The uploaded file that the form is on, or the place to upload one."""
    view = store()
    digest = kept("data-upload", "")
    upload = engine.find_upload(view, digest) if digest else None
    show_notices(view.notices)
    if upload is None:
        _uploader(view)
        return ""
    left, middle, right = st.columns([2.2, 1.6, 1], vertical_alignment="center")
    left.markdown(f"**{plain(visible(upload.name))}** · {engine.format_bytes(upload.bytes)}")
    if middle.button("Use another file", key="check-other-file", width="stretch"):
        set_field("data-upload", "")
        st.rerun()
    with right.popover("Delete", width="stretch"):
        st.text(
            "This removes the file from this machine. Studies on it keep their figures, but cannot "
            "be resumed, and their models cannot be pruned again."
        )
        if st.button("Delete the file", key="check-delete-file", type="primary"):
            _delete(view, upload)
    return str(upload.path)


def _delete(view: engine.Store, upload: engine.Upload) -> None:
    try:
        engine.remove_upload(view, upload)
    except engine.PruneScopeError as error:
        show_error(error)
        return
    set_field("data-upload", "")
    st.rerun()


def _uploader(view: engine.Store) -> None:
    most = st.get_option("server.maxUploadSize")
    file = st.file_uploader(
        f"CSV, TSV, JSONL or Parquet with one text and one label a row, up to {most} MB",
        type=TYPES,
        key=key_of("uploader"),
        help="The file stays on the machine that runs PruneScope, in its cache. Name the path of a "
        "larger file instead.",
    )
    if file is None:
        return
    try:
        upload = engine.keep_upload(view, file.name, file.getvalue())
    except engine.PruneScopeError as error:
        show_error(error)
        return
    set_field("data-upload", upload.digest)
    st.rerun()
