/* SPDX-License-Identifier: MIT */
/* Elements, random numbers, labels, diffusion and the optimiser. */
#include "cuda_compare_frame.h"

void compare_elements(compare *c, int64_t n, int64_t k) {
  const int64_t count = n * k;
  const both x = normals(c, count, 3), y = normals(c, count, 1), d_y = normals(c, count, 1), w = normals(c, n, 1);
  double value[2] = {-1, -1};
  ON_BOTH(c, silu_forward(d, count, F(x), F(y)));
  same(c, "silu_forward", y, 1e-6);
  for (int accumulate = 0; accumulate < 2; ++accumulate) {
    ON_BOTH(c, silu_backward(d, count, F(x), F(d_y), accumulate, F(y)));
    same(c, "silu_backward", y, 1e-6);
  }
  ON_BOTH(c, axpy(d, count, 0.37, F(x), F(y)));
  same(c, "axpy", y, 1e-6);
  ON_BOTH(c, scale(d, count, -1.7, F(y)));
  same(c, "scale", y, 1e-6);
  for (int gradient = 0; gradient < 2; ++gradient) {
    ON_BOTH(c, squared_error(d, count, F(x), F(d_y), 0.3, &value[s], gradient ? F(y) : NULL));
    same_scalar(c, "squared_error", value, 1e-12);
  }
  same(c, "squared_error", y, 1e-6);
  ON_BOTH(c, free_guidance(d, n, k, F(x), F(d_y), F(w), F(y)));
  same(c, "free_guidance", y, 1e-6);
  release(c);
}

void compare_random(compare *c, int64_t n, int64_t k) {
  const cyf_rng_key key = cyf_rng_key_make(17, CYF_RNG_NOISE);
  const both at = positions(c, n), z = normals(c, n * k, 1), t = integers(c, n, 0, 9), x = positives(c, n * k, 1, 2);
  for (int given = 0; given < 2; ++given) {
    ON_BOTH(c, fill_normal(d, n, k, key, 5, given ? L(at) : NULL, ((int64_t)1 << 33) + 7, F(z)));
    same(c, "fill_normal", z, 1e-6);
    ON_BOTH(c, fill_timesteps(d, n, key, 6, given ? L(at) : NULL, 3, 1000, I(t)));
    equal(c, "fill_timesteps", t);
    ON_BOTH(c, dropout(d, n, k, F(x), 0.3, key, 7, given ? L(at) : NULL, F(z)));
    equal(c, "dropout", z);
  }
  release(c);
}

void compare_labels(compare *c, int64_t n, int64_t classes) {
  const both logits = normals(c, n * classes, 3), label = integers(c, n, -1, (int32_t)classes);
  const both weight = positives(c, classes, 0.5, 2), w = normals(c, n, 1), d_logits = normals(c, n * classes, 1);
  double loss[2] = {-1, -1}, sum_weight[2] = {-1, -1};
  int64_t correct[2] = {-1, -1}, labelled[2] = {-1, -1};
  for (int weighted = 0; weighted < 2; ++weighted) {
    ON_BOTH(c, cross_entropy(d, n, classes, F(logits), I(label), weighted ? F(weight) : NULL, 0.3, &loss[s],
                             &sum_weight[s], &correct[s], &labelled[s], F(d_logits)));
    same_scalar(c, "cross_entropy", loss, 1e-12);
    same_scalar(c, "cross_entropy", sum_weight, 1e-12);
    equal_integer(c, "cross_entropy", correct);
    equal_integer(c, "cross_entropy", labelled);
    same(c, "cross_entropy", d_logits, 1e-6);
  }
  ON_BOTH(c, cross_entropy(d, n, classes, F(logits), I(label), NULL, 0.3, NULL, NULL, &correct[s], NULL, NULL));
  equal_integer(c, "cross_entropy", correct);
  ON_BOTH(c, log_prob_grad(d, n, classes, F(logits), I(label), F(w), F(d_logits)));
  same(c, "log_prob_grad", d_logits, 1e-6);
  release(c);
}

void compare_diffusion(compare *c, int64_t n, int64_t k) {
  enum { T = 40 };
  const int64_t count = n * k;
  const both x = normals(c, count, 1), eps = normals(c, count, 1), guidance = normals(c, count, 1),
             out = normals(c, count, 1);
  const both noise = normals(c, count, 1), t = integers(c, n, 0, T), before = normals(c, count, 1);
  const both signal = positives(c, T, 0, 1), level = positives(c, T, 0, 1), embedding = normals(c, n * k, 1);
  const cyf_rng_key key = cyf_rng_key_make(11, CYF_RNG_NOISE);
  const both position = positions(c, n);
  for (int given = 0; given < 2; ++given) {
    ON_BOTH(c, q_sample(d, n, k, key, 3, given ? L(position) : NULL, F(x), I(t), F(signal), F(level), F(eps), F(out)));
    same(c, "q_sample", eps, 1e-6);
    same(c, "q_sample", out, 1e-6);
  }
  ON_BOTH(c, time_embedding(d, n, k, I(t), F(embedding)));
  same(c, "time_embedding", embedding, 1e-6);
  for (int clip = 0; clip < 2; ++clip) {
    const cyf_reverse_step step = {0.5, 0.6, 1.414, 1.0, 0.3, 0.65, 0.02, -3.9, 0.1, clip};
    const cyf_multistep multi = {0.7, 1.414, 1.0, 0.8, 0.3, clip ? -0.1 : 0.0, clip};
    ON_BOTH(c, ddpm_step(d, count, &step, F(x), F(eps), clip ? F(guidance) : NULL, clip ? F(noise) : NULL, F(out)));
    same(c, "ddpm_step", out, 1e-6);
    ON_BOTH(c, ddim_step(d, count, &step, F(x), F(eps), clip ? F(guidance) : NULL, clip ? F(noise) : NULL, F(out)));
    same(c, "ddim_step", out, 1e-6);
    ON_BOTH(c, multistep_step(d, count, &multi, F(x), F(eps), clip ? F(guidance) : NULL, F(before), F(out)));
    same(c, "multistep_step", out, 1e-6);
    same(c, "multistep_step", before, 1e-6);
  }
  release(c);
}

/* Compares updates, also of arrays whose address is no multiple of 16 bytes, and with a gradient that is not finite. */
void compare_optimizer(compare *c, int64_t count) {
  const both p = normals(c, count + 1, 1), g = normals(c, count + 1, 1), m = normals(c, count + 1, 0.1);
  const both v = positives(c, count + 1, 0, 0.1), e = normals(c, count + 1, 1), sum = doubles(c, 1);
  for (int variant = 0; variant < 4; ++variant) {
    const int shift = variant == 1;
    if (variant == 3) {
      const float bad = NAN;
      for (int s = 0; s < 2; ++s) {
        check_call(c, "upload", c->device[s]->ops->upload(c->device[s], g.on[s], &bad, sizeof bad));
      }
    } else {
      ON_BOTH(c, axpy(d, count + 1, 0.5, F(p), F(g)));
    }
    ON_BOTH(c, square_sum(d, count, F(g), D(sum)));
    same(c, "square_sum", sum, 1e-12);
    cyf_adamw settings = {1e-2, 0.9, 0.999, 1e-8, 0.01, 3 + variant, 0.5, NULL, variant == 2 ? 0.3 : 0.0};
    for (int s = 0; s < 2; ++s) {
      cyf_device *d = c->device[s];
      settings.square_sum = variant >= 2 ? D(sum) : NULL;
      check_call(c, "adamw",
                 d->ops->adamw(d, count, &settings, F(p) + shift, F(g) + shift, F(m) + shift, F(v) + shift,
                               variant == 0 ? NULL : F(e) + shift, 0.99));
    }
    same(c, "adamw", p, 1e-5);
    same(c, "adamw", g, 1e-6);
    same(c, "adamw", m, 1e-6);
    same(c, "adamw", v, 1e-6);
    same(c, "adamw", e, 1e-5);
  }
  release(c);
}
