#!/usr/bin/env python3
"""K-split patterns of Marlin (vLLM gen A / gen B) and Machete for Qwen3-8B linears.

Written from reading the sources (src/kernels/recipes/marlin.h and machete.h name them): a second opinion for the tests
of those recipes, whose tables of expected splits hold what it prints.
  python3 marlin_machete_partition.py [marlin|machete|ranges]
Every pattern is a tuple of half-open k-tile ranges, smallest k first.
"""
import sys
from collections import Counter

SH = {'qkv': (6144, 4096), 'o': (4096, 4096), 'gate_up': (24576, 4096), 'down': (4096, 12288)}
cd = lambda a, b: -(-a // b)

# ---------------------------------------------------------------- Marlin
def marlin_chunks(M, N):
    """host loop: consecutive row chunks, each launched on its own"""
    maxpar = 128 if N <= 4096 else 16
    r, out = M, []
    while r:
        p = min(r // 64, maxpar)
        s = p * 64 if p else r
        out.append(s); r -= s
    return out

def _fits(tk, tn, mb, smem, g, zp):
    a = 4 * mb * 16 * tk * 2; b = 4 * (tk * tn // 8) * 4; red = mb * 16 * (tn + 8) * 2; bias = tn * 2
    t = max(max(b, red), min(b, red) + bias); s = cd(tk, g) * tn * 2 * 4
    return t + a + s + (s // 4 if zp else 0) + 512 <= smem

def marlin_config(m, N, K, sms, gen, smem=227 * 1024, g=128, zp=True):
    mb = min(cd(m, 16), 4)
    prio = [(128, 128, 256), (64, 128, 128), (128, 64, 128)] if mb == 1 else \
           [(64, 256, 256), (64, 128, 128), (128, 64, 128)]
    cfg = next(c for c in prio if K % c[0] == 0 and N % c[1] == 0 and _fits(c[0], c[1], mb, smem, g, zp))
    if gen == 'B' and N // cfg[1] * cd(m, mb * 16) * 4 <= sms and K % 128 == 0 and N % 64 == 0 \
            and _fits(128, 64, mb, smem, g, zp):
        cfg = (128, 64, 128)
    return mb, cfg

def marlin(m, N, K, sms, gen, g=128, smem=227 * 1024):
    """m = one chunk. slices: {(m_tile*n_tiles + n_tile): [(k0,k1),...]} in k-tiles of thread_k"""
    mb, (tk, tn, th) = marlin_config(m, N, K, sms, gen, smem, g)
    blk = 8 if m <= 8 else 16 * mb
    par = m // blk if m > blk else 1
    kt, nt = K // tk, N // tn
    tot = part2 = nt * par
    if gen == 'B' and tot > sms:
        part2 = tot % sms
        if part2 * 3 <= sms: part2 += sms
    off = tot - part2
    it = cd(kt * part2, sms)
    if g // 16 >= tk // 16: it = (g // tk) * cd(it, g // tk)
    sl = {c: [(0, kt)] for c in range(off)}
    for b in range(sms):
        t, hi = it * b, min(it * (b + 1), kt * part2)
        while t < hi:
            c = t // kt; e = min(hi, (c + 1) * kt)
            sl.setdefault(c + off, []).append((t - c * kt, e - c * kt)); t = e
    return dict(mb=mb, tk=tk, tn=tn, threads=th, R=(th // 32) // (tn // 64), par=par, kt=kt, nt=nt, iters=it, full=off, slices=sl)

# ---------------------------------------------------------------- Machete (CUTLASS stream-K, sm90)
def machete_schedule(M, N, K):
    if M > 256 and K <= 16384 and N <= 4096: return (128, 128), 2
    if M > 256: return (128, 256), 2
    if M > 128 and K <= 4096 and N <= 4096: return (128, 64), 2
    if M > 128 and K <= 8192 and N <= 8192: return (128, 128), 2
    if M > 128: return (128, 256), 2
    if M > 64 and K <= 4069 and N <= 4069: return (128, 32), 2      # 4069 is literal in the source
    if M > 64 and K <= 4069 and N <= 8192: return (128, 64), 2
    if M > 64 and K >= 8192 and N >= 12288: return (256, 128), 2
    if M > 64: return (128, 128), 2
    if M > 32 and K <= 6144 and N <= 6144: return (128, 16), 1
    if M > 32 and K >= 16384 and N >= 12288: return (256, 64), 2
    if M > 32: return (128, 64), 2
    if M > 16 and K <= 12288 and N <= 8192: return (128, 32), 2
    if M > 16: return (256, 32), 2
    if N >= 26624: return (256, 16), 1
    return (128, 16), 1

def _wave(sm, c):
    if c == 1: return sm
    n = (1 if sm < 18 else sm // 18) * (18 - 18 % c); r = 0 if sm < 18 else sm % 18
    return min(sm, n + r - r % c) // c * c

def machete(M, N, K, sm):
    (tn, tm), c = machete_schedule(M, N, K); kt = cd(K, 64); MIN = 8
    bm, bn = cd(cd(N, tn), c) * c, cd(M, tm); tiles = bm * bn; w = _wave(sm, c)
    info = dict(tile=(tn, tm), cluster=c, kt=kt, tiles=tiles, wave=w)
    full, tot = tiles // w, cd(tiles, w)
    dp = dict(info, mode='DP', pat=Counter({((0, kt),): tiles}))
    if full == tot or kt <= MIN or 2 * (tiles - full * w) >= w: return dp
    sk = (tiles - (full - 1 if full > 1 else 0) * w) // c * c
    un = min(w, (kt * sk // MIN) // c * c)
    if un == 0: return dp
    if sk < un and un % sk == 0:
        s = un // sk; q, b = divmod(kt, s); pos, p = 0, []
        for i in range(s):
            l = q + (i < b); p.append((pos, pos + l)); pos += l
        return dict(info, mode='SplitK%d' % s, pat=Counter({tuple(p): tiles}))
    G = min(bm // c if bn > bm else bn, 8); fb = 0; scu, sct = un // c, sk // c
    small = lambda g: ((sct // g) * c * kt) // (un // g) < MIN
    while G > 1 and not (scu % G == 0 and sct % G == 0 and not small(G)):
        if fb == 0 and scu % G == 0 and not small(G): fb = G
        G -= 1
    if G <= 1: G = fb or 1
    tl = {}
    for u in range(scu):
        g, j = u % G, u // G
        ktg = (sct // G + (g < sct % G)) * c * kt; upg = un // G
        per = ktg // upg; big = (ktg - per * upg) // c
        st, ln = per * j + min(j, big), per + (j < big)
        r = st % kt                       # snap start: no split shorter than 8 k-tiles
        if r < MIN: st -= r; ln += r
        elif r > kt - MIN: st += kt - r; ln -= kt - r
        e = (st + ln) % kt                # snap end
        if e < MIN: ln -= e
        elif e > kt - MIN: ln += kt - e
        t = st
        while t < st + ln:
            ci = t // kt; en = min(st + ln, (ci + 1) * kt)
            tl.setdefault(ci * G + g, []).append((t - ci * kt, en - ci * kt)); t = en
    pat = Counter()
    for v in tl.values():
        v.sort(); assert v[0][0] == 0 and v[-1][1] == kt and all(a[1] == b[0] for a, b in zip(v, v[1:]))
        pat[tuple(v)] += c
    assert sum(pat.values()) == sk
    if tiles - sk: pat[((0, kt),)] += tiles - sk
    return dict(info, mode='StreamK', groups=G, sk=sk, units=un, pat=pat, by_cluster_tile=tl)

def main():
    what = sys.argv[1] if len(sys.argv) > 1 else 'marlin'
    if what == 'marlin':
        for gen in 'AB':
            for sms in (132, 114, 108, 78):
                for name, (N, K) in SH.items():
                    for M in (1, 16, 32, 64, 128, 256, 512, 1024):
                        r = marlin(marlin_chunks(M, N)[0], N, K, sms, gen)
                        c = Counter(len(v) for v in r['slices'].values())
                        print(gen, sms, name, 'M', M, 'chunks', marlin_chunks(M, N), 'tk,tn,R', (r['tk'], r['tn'], r['R']),
                              'iters', r['iters'], 'full', r['full'], 'splits->tiles', dict(sorted(c.items())))
    elif what == 'machete':
        for sm in (132, 114, 78):
            for name, (N, K) in SH.items():
                for M in (1, 16, 17, 32, 64, 128, 256, 512, 1024, 2048):
                    i = machete(M, N, K, sm); c = Counter()
                    for p, n in i['pat'].items(): c[len(p)] += n
                    print(sm, name, 'M', M, 'tile', i['tile'], i['mode'], 'splits->tiles', dict(sorted(c.items())))
    else:
        for name, (N, K) in SH.items():
            runs = []
            for M in range(1, 8193):
                i = machete(M, N, K, 132); k = (i['tile'], i['mode'])
                if runs and runs[-1][2] == k: runs[-1][1] = M
                else: runs.append([M, M, k])
            print(name); [print('  ', *r) for r in runs]

if __name__ == '__main__':
    main()
