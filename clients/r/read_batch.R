# SPDX-License-Identifier: Apache-2.0
# Reads a batch from a mount, whatever types its arrays have:
#
#     source("read_batch.R")
#     batch <- read_batch("mnt/epoch_0/rank_0/batch_0.csr")
#     batch$X, batch$rows, batch$extra
#
# or, as a program, adds up the values of each row: Rscript read_batch.R FILE... Needs the package Matrix
# (r-cran-matrix in Debian and Ubuntu). docs/batch-format.md is the format.

# `count` elements of a numpy type such as "<f4", from where the connection is.
read_array <- function(file, type, count) {
  kind <- substr(type, 2, 2)
  size <- as.integer(substr(type, 3, 3))
  integers <- function(n, size, signed = TRUE) {
    readBin(file, "integer", n, size = size, signed = signed, endian = "little")
  }
  unsigned <- function(words) ifelse(words < 0, words + 2^32, as.numeric(words))
  if (kind == "f" && size > 2) return(readBin(file, "double", count, size = size, endian = "little"))
  if (kind == "f") return(from_half(integers(count, 2, FALSE)))
  if (kind == "b") return(integers(count, 1) != 0)
  if (size < 4) return(integers(count, size, kind == "i"))
  if (size == 4 && kind == "i") return(minimum_kept(integers(count, 4)))
  if (size == 4) return(unsigned(minimum_kept(integers(count, 4))))
  words <- matrix(minimum_kept(integers(2 * count, 4)), 2)         # R has no such integers: exact up to 2^53
  high <- if (kind == "i") as.numeric(words[2, ]) else unsigned(words[2, ])
  unsigned(words[1, ]) + high * 2^32
}

# -2^31 is NA to R.
minimum_kept <- function(words) if (anyNA(words)) ifelse(is.na(words), -2^31, words) else words

from_half <- function(bits) {
  sign <- ifelse(bits >= 32768, -1, 1)
  exponent <- (bits %/% 1024) %% 32
  mantissa <- bits %% 1024
  value <- ifelse(exponent == 0, mantissa / 2^24, (1 + mantissa / 1024) * 2^(exponent - 15))
  sign * ifelse(exponent == 31, ifelse(mantissa == 0, Inf, NaN), value)
}

# A list: X, a sparse matrix of doubles; rows, the number of each row in the collection, from 0; and extra, the other
# sections by name.
read_batch <- function(path) {
  file <- file(path, "rb")
  on.exit(close(file))
  magic <- readBin(file, "raw", 8)
  if (!identical(magic, charToRaw("SHUFCSR1"))) stop(path, ": expected a batch, which begins with SHUFCSR1")
  if (file.size(path) < 128) stop(path, " is cut short: its header is not whole")
  head <- read_array(file, "<i8", 15)
  if (file.size(path) < head[1]) stop(path, " is cut short: its header is not whole")
  sections <- lapply(seq_len(head[5]) - 1, function(i) {
    seek(file, 128 + 128 * i)
    text <- function(n) rawToChar(Filter(function(byte) byte != 0, readBin(file, "raw", n)))
    list(name = text(96), type = text(8), numbers = read_array(file, "<i8", 3))
  })
  arrays <- lapply(sections, function(section) {
    offset <- section$numbers[1]
    count <- section$numbers[2]
    columns <- section$numbers[3]
    end <- offset + count * as.integer(substr(section$type, 3, 3))
    if (is.na(end) || end > file.size(path)) stop(path, " is cut short, or damaged: ", section$name, " is not whole")
    seek(file, offset)
    array <- read_array(file, section$type, count)
    if (columns > 1) matrix(array, ncol = columns, byrow = TRUE) else array
  })
  names(arrays) <- vapply(sections, function(section) section$name, "")
  X <- Matrix::sparseMatrix(j = arrays$indices + 1, p = arrays$indptr, x = as.numeric(arrays$data), dims = head[2:3],
                            repr = "R")
  fixed <- c("indptr", "indices", "data", "rows")
  list(X = X, rows = arrays$rows, extra = arrays[setdiff(names(arrays), fixed)])
}

if (sys.nframe() == 0) for (path in commandArgs(trailingOnly = TRUE)) {
  batch <- read_batch(path)
  cat(nrow(batch$X), "x", ncol(batch$X), "\n")
  cat(sprintf("row %.0f: %.9g\n", batch$rows, Matrix::rowSums(batch$X)), sep = "")
  for (name in names(batch$extra)) cat("with", name, "\n")
}
