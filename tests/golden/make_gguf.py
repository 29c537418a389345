#!/usr/bin/env python3
"""Writes blocks.gguf beside this file: what the Python package gguf makes of every encoding.

For each encoding the file holds a tensor NAME of random blocks (Q4_K, say) and a tensor NAME.float
with its values in float32, as gguf.quants.dequantize gives them. The blocks are random bytes, so
that every bit of the layout matters, with scales that are ordinary numbers.

usage: make_gguf.py            needs the packages gguf and numpy
"""
import pathlib

import numpy
import gguf
from gguf import GGMLQuantizationType as Type

ROWS = 3
BLOCKS = 2  # a row
# Encoding -> byte offsets of the float16 scales in a block.
SCALES = {
    Type.Q8_0: [0],
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q5_1: [0, 2],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
}


def main():
    random = numpy.random.default_rng(20240607)
    path = pathlib.Path(__file__).with_name("blocks.gguf")
    writer = gguf.GGUFWriter(path, "test")
    writer.add_uint8("test.uint8", 200)
    writer.add_int8("test.int8", -100)
    writer.add_uint16("test.uint16", 60000)
    writer.add_int16("test.int16", -30000)
    writer.add_uint32("test.uint32", 4000000000)
    writer.add_int32("test.int32", -2000000000)
    writer.add_uint64("test.uint64", 1 << 63)
    writer.add_int64("test.int64", -(1 << 62))
    writer.add_float32("test.float32", 1e-5)
    writer.add_float64("test.float64", 1e-5)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "déjà vu")
    writer.add_array("test.strings", ["a", "", "ccc"])
    writer.add_array("test.integers", [3, -1, 2])
    writer.add_array("test.numbers", [0.5, -1.25])
    for kind, scales in SCALES.items():
        values, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (ROWS, BLOCKS, size), dtype=numpy.uint8)
        for at in scales:
            numbers = random.uniform(-0.1, 0.1, (ROWS, BLOCKS, 1)).astype(numpy.float16)
            blocks[:, :, at : at + 2] = numbers.view(numpy.uint8)
        raw = blocks.reshape(ROWS, BLOCKS * size)
        floats = gguf.quants.dequantize(raw, kind).astype(numpy.float32)
        assert floats.shape == (ROWS, BLOCKS * values)
        writer.add_tensor(kind.name, raw, raw_dtype=kind)
        writer.add_tensor(kind.name + ".float", floats)
    halves = random.integers(0, 65536, (ROWS, 64), dtype=numpy.uint16)
    halves[0, :6] = [0x0001, 0x03FF, 0x0400, 0x8000, 0x7C00, 0xFBFF]  # subnormal, zero, infinite
    halves[(halves & 0x7C00) == 0x7C00] &= 0xFC00  # no NaN: they compare unequal
    writer.add_tensor("F16", halves.view(numpy.float16))
    writer.add_tensor("F16.float", halves.view(numpy.float16).astype(numpy.float32))
    brains = random.integers(0x3000, 0x4000, (ROWS, 64), dtype=numpy.uint16)
    writer.add_tensor("BF16", brains.view(numpy.uint8), raw_dtype=Type.BF16)
    writer.add_tensor("BF16.float", (brains.astype(numpy.uint32) << 16).view(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
