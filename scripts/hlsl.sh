#!/usr/bin/env bash
# Every distinct kernel's HLSL through Microsoft's own compilers: FXC for shader model 5.1, DXC for 6.0 and 6.2, with the
# flags that wgpu gives them, under Wine. Writes a table of what they take to benches/results/cpu/hlsl.csv, and every text's
# line to target/hlsl/results.tsv. Exit code 1 if one is refused; 3 where something cannot be had.
#   scripts/hlsl.sh            of texts that differ in their numbers alone, one: an hour of two cores
#   scripts/hlsl.sh KERNEL ..  of these kernels every text; the table stays as it is
# EACH=6 compiles of each kernel at most so many, CHECKED=1 those with bounds checks too. HLSL=FOLDER takes the texts that are
# there already. SECONDS_EACH (60) is how long one may take of the processor; what takes longer is counted as slow.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/dx12_tools.sh"
texts="$root/target/hlsl"
table="$root/benches/results/cpu/hlsl.csv"

need_mingw
need_compilers
need_wine
"$mingw" -O1 -o "$tools/compile.exe" "$root/tests/hlsl/compile.c"

if [ -n "${HLSL:-}" ]; then
  texts=$(cd "$HLSL" && pwd)
else
  rm -rf "$texts"
  mkdir -p "$texts"
  WGRAD_WRITE_HLSL="$texts" cargo test --quiet --features cli --manifest-path "$root/Cargo.toml" --test shaders every_shader_in_every_back_end >/dev/null
fi

# NAME-GROUP-TEXT.MODEL.CHECKS.hlsl; of a group the first. Of a kernel's groups those that lie evenly in their order.
cd "$texts"
rm -f part.* ./*.list ./*.tsv
find . -name '*.hlsl' -printf '%f\n' | sort >texts.list
awk -v kernels="$*" -v each="${EACH:-0}" -v checked="${CHECKED:-0}" '
  BEGIN { chosen = split(kernels, names, " "); for (i in names) wanted[names[i]] = 1 }
  {
    split($0, dot, ".")
    split(dot[1], part, "-")
    if (dot[3] == "checked" && !checked) next
    if (chosen ? !(part[1] in wanted) : seen[part[1], part[2], dot[2], dot[3]]++) next
    kind = part[1] " " dot[2] " " dot[3]
    line[kind, count[kind]++] = (dot[2] == "5_1" ? "fxc" : "dxc") " cs_" dot[2] " " $0
  }
  END {
    for (kind in count) {
      taken = each && each < count[kind] ? each : count[kind]
      for (i = 0; i < taken; i++) print line[kind, int(i * count[kind] / taken)]
    }
  }' texts.list | sort -k 3 >all.list
echo "$(wc -l <texts.list) texts of HLSL, compiled of them $(wc -l <all.list)" >&2

# A process for each core; one that ends at a slow text is followed by another, from the next line on.
cores=$(nproc)
split -n "r/$cores" -d all.list part.
compile_part() {
  local part=$1 done=0 all
  all=$(wc -l <"$part")
  : >"$part.tsv"
  while [ "$done" -lt "$all" ]; do
    tail -n "+$((done + 1))" "$part" >"$part.rest"
    local before=$done
    in_wine "$tools/compile.exe" "$part.rest" "${SECONDS_EACH:-60}" 2>>"$part.log" | tr -d '\r' >>"$part.tsv" || true
    done=$(wc -l <"$part.tsv")
    # One that took the process with it has no line.
    if [ "$done" -eq "$before" ]; then
      sed -n "$((done + 1))p" "$part" | awk -v OFS='\t' '{ print "crashed", 0, 0, $1, $2, $3, "the compiler ended" }' >>"$part.tsv"
      done=$((done + 1))
    fi
  done
}
for part in part.[0-9][0-9]; do compile_part "$part" & done
wait
cat part.*.tsv >results.tsv

awk -F '\t' -v OFS=, '
  {
    kernel = $6
    sub(/-.*/, "", kernel)
    key = kernel OFS $4 " " substr($5, 4)
    texts[key]++
    verdicts[key, $1]++
    if ($2 > longest[key]) longest[key] = $2
    total[key] += $2
  }
  END {
    for (key in texts)
      print key, texts[key], verdicts[key, "accepted"] + 0, verdicts[key, "refused"] + 0,
        texts[key] - verdicts[key, "accepted"] - verdicts[key, "refused"], total[key], longest[key]
  }' results.tsv | sort >table.csv
[ $# -gt 0 ] || { echo "kernel,compiler,texts,accepted,refused,slow,ms,longest_ms"; cat table.csv; } >"$table"
awk -F, '{ t[$2] += $3; a[$2] += $4; r[$2] += $5; s[$2] += $6; ms[$2] += $7 }
  END { for (c in t) printf "%-8s %6d texts: %6d accepted, %d refused, %d slow; %d s\n", c, t[c], a[c], r[c], s[c], ms[c] / 1000 }' table.csv | sort
awk -F '\t' '$1 != "accepted"' results.tsv | head -20
! grep -qv '^accepted' results.tsv
