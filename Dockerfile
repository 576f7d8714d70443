# The dashboard as a page for others (see docs/hosting.md), also as a Space of Hugging Face:
#
#     docker build --build-arg TORCH_INDEX=ADDRESS -t prunescope .
#     docker run --rm -p 7860:7860 prunescope
#
# ADDRESS is the index of PyTorch's CPU build. Without it, pip downloads gigabytes of CUDA.

FROM python:3.12-slim AS package
COPY . /source
WORKDIR /source
# The links of a checkout, which not every way of copying it keeps
RUN ln -sfn ../app prunescope/app \
    && ln -sfn ../engine prunescope/engine \
    && ln -sfn ../runs prunescope/runs \
    && ln -sfn ../cache/bundled prunescope/bundled \
    && pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim
ARG TORCH_INDEX=""
COPY requirements.txt requirements-textattack.txt requirements.lock /tmp/
RUN if [ -z "$TORCH_INDEX" ]; then echo "TORCH_INDEX is not set: pip will download PyTorch with CUDA."; fi \
    && pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r /tmp/requirements.txt -c /tmp/requirements.lock \
    && pip install --no-cache-dir --no-deps -r /tmp/requirements-textattack.txt
RUN --mount=type=bind,from=package,source=/wheel,target=/wheel \
    pip install --no-cache-dir --no-deps /wheel/*.whl

# A Space runs its container as user 1000
RUN useradd --create-home --uid 1000 user && mkdir /data && chown user /data
USER user
WORKDIR /home/user
ENV PORT=7860 \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    PRUNESCOPE_CACHE=/data
VOLUME /data
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/_stcore/health', timeout=5)"]
CMD ["sh", "-c", "exec prunescope app --public --port \"$PORT\""]
