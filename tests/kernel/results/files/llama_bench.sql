ggml_cuda_init: found 1 CUDA devices:
  Device 0: NVIDIA GeForce RTX 4090, compute capability 8.9, VMM: yes
CREATE TABLE IF NOT EXISTS llama_bench (
  build_commit TEXT,
  avg_ts REAL
);

INSERT INTO llama_bench (build_commit, build_number, cpu_info, gpu_info, backends, model_filename, model_type, model_size, model_n_params, n_batch, n_ubatch, n_threads, type_k, type_v, n_gpu_layers, n_cpu_moe, split_mode, main_gpu, no_kv_offload, flash_attn, devices, tensor_split, tensor_buft_overrides, n_prompt, n_gen, n_depth, test_time, avg_ns, stddev_ns, avg_ts, stddev_ts) VALUES ('0000000', '6000', 'Some (R), one''s 16-Core Processor', 'NVIDIA GeForce RTX 4090', 'CUDA', 'models/Qwen3-8B-Q4_K_M.gguf', 'qwen3 8B Q4_K - Medium', '5000000000', '8190000000', '2048', '512', '16', 'f16', 'f16', '99', '0', 'layer', '0', 'False', '1', 'auto', '0.00', 'none', '512', '0', '0', '2026-01-01T00:00:00Z', '1', '0', '6000.0', '1.0');
INSERT INTO llama_bench (build_commit, build_number, cpu_info, gpu_info, backends, model_filename, model_type, model_size, model_n_params, n_batch, n_ubatch, n_threads, type_k, type_v, n_gpu_layers, n_cpu_moe, split_mode, main_gpu, no_kv_offload, flash_attn, devices, tensor_split, tensor_buft_overrides, n_prompt, n_gen, n_depth, test_time, avg_ns, stddev_ns, avg_ts, stddev_ts) VALUES ('0000000', '6000', 'Some (R), one''s 16-Core Processor', 'NVIDIA GeForce RTX 4090', 'CUDA', 'models/Qwen3-8B-Q4_K_M.gguf', 'qwen3 8B Q4_K - Medium', '5000000000', '8190000000', '2048', '512', '16', 'f16', 'f16', '99', '0', 'layer', '0', 'False', '1', 'auto', '0.00', 'none', '0', '128', '0', '2026-01-01T00:00:00Z', '1', '0', '130.0', '1.0');
