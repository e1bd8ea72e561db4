# Separation and the page, without TensorFlow (about 500 MB):
#
#   docker build -t dssgan .
#   docker run --rm -v "$PWD:/data" dssgan separate song.mp3 -o stems
#   docker run --rm -p 127.0.0.1:8400:8400 -v "$PWD:/data" dssgan      (prints the page's address)
#
# Training too, on a processor or on a GPU:
#
#   docker build -t dssgan:train --build-arg EXTRAS=[train] .
#   docker build -t dssgan:cuda --build-arg EXTRAS=[train] --build-arg CUDA=tensorflow[and-cuda] .
#   docker run --rm --gpus all -v "$PWD:/data" dssgan:cuda train with drums_small data.root=songs

ARG PYTHON=3.12-slim

FROM python:${PYTHON} AS wheel
WORKDIR /checkout
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:${PYTHON}
ARG EXTRAS=""
ARG CUDA=""
COPY --from=wheel /wheel /wheel
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# The wheel says which versions; its range of TensorFlow holds for the one with a GPU's libraries too.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir "$(echo /wheel/*.whl)${EXTRAS}" ${CUDA:+"${CUDA}"} \
    && rm -r /wheel \
    && useradd --create-home --uid 1000 user
USER 1000
WORKDIR /data
EXPOSE 8400
ENTRYPOINT ["dssgan"]
CMD ["app", "--host", "0.0.0.0", "--folder", "/data/app", "--no-browser"]
