#!/bin/bash
# An audio LLM behind an OpenAI-compatible server, for engines of kind `endpoint`, on one GPU:
#
#   VLLM_API_KEY=... jobs/cluster/serve_vllm.sh MODEL NAME [options of `vllm serve`, --revision and --port among them]
#
# NAME is what a job calls the model. The key comes from the environment, since whoever lists processes reads options.
set -eu
model=$1 name=$2
shift 2
# The module in place of `vllm serve`, which a CPU build of vLLM has no use for: it looks for another distribution.
# One audio, and nothing else, a prompt; the grammar is the one that engines in the same process use.
exec python -m vllm.entrypoints.openai.api_server --model "$model" --served-model-name "$name" \
  --limit-mm-per-prompt '{"audio": 1, "image": 0, "video": 0}' \
  --structured-outputs-config '{"backend": "xgrammar", "disable_any_whitespace": true}' "$@"
