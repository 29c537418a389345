#!/usr/bin/env python3
"""Writes chinese_words/: a tiny dictionary and tagger tables of our own in jieba's form, and how
jieba 0.42.1 cuts texts by them. So cutting is tested where jieba's own dictionary is missing.

    python3 tests/golden/make_chinese_words.py

Needs the package jieba 0.42.1.
"""
import json

import jieba
import jieba.finalseg as finalseg
from longbench_pairs import FRAGMENTS, HERE, Random, pieces

TEXTS = 400
WORDS = """
北京 清华 清华大学 华大 大学 来到 我 他 到 了 在 的 是 和 网易 硕士 毕业 毕业于 中国 科学 科学院 中国科学院 学院
计算 计算所 南京 南京市 市长 长江 大桥 长江大桥 江大桥 研究 研究生 生命 起源 命 的起源 乒乓 乒乓球 球拍 拍卖 完了
卖完 今天 天气 今天天气 不错 中华 人民 共和国 中华人民共和国 上海 上海市 浦东 新区 创新 办 主任 也是 云 计算方面 方面
专家 答案 没有 不知道 一九 九五 年 百分之 五十 第 章 红楼 红楼梦 你好 他说 您好 语言 程序 C++ AT&T AT T恤 B超 检查
卡拉OK GDP 增长 PM2.5 3D 打印 4S店 a的b -- x%y user_name#1 e-mail 12 12.5 会议 认为 坚持 稳中求进 总之 双方 达成 初步
協議 鼠标 鼠 标 甲 乙丙 ABC甲
""".split()
MISSING = "明小李福三丰赵六龘"  # characters that the tables lack
STATES = "BEMS"


def floats(random):
    return -0.5 - random.below(1_000_000) / 77_777


def write_tables(folder, start, step, emit):
    def text(table, indent=""):
        if isinstance(table, float):
            return repr(table)
        keys = [key if key.isascii() else "\\u%04x" % ord(key) for key in table]
        inner = (",\n" + indent + " ").join(
            f"'{key}': {text(value, indent + ' ')}" for key, value in zip(keys, table.values()))
        return "{" + inner + "}"

    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("start", start), ("trans", step), ("emit", emit)):
        (folder / f"prob_{name}.py").write_text(f"P={text(table)}\n", encoding="utf-8")


random = Random(11)
folder = HERE / "chinese_words"
start = {"B": floats(random), "E": -3.14e100, "M": -3.14e100, "S": floats(random)}
step = {"B": ("E", "M"), "E": ("B", "S"), "M": ("E", "M"), "S": ("B", "S")}
step = {state: {to: floats(random) for to in behind} for state, behind in step.items()}
characters = sorted({c for text in FRAGMENTS["groups"]["chinese"] for c in text
                     if "\u4e00" <= c <= "\u9fd5"} - set(MISSING))
emit = {state: {c: floats(random) for c in characters if random.below(8) != 0} for state in STATES}
write_tables(folder / "finalseg", start, step, emit)
lines = [f"{word} {random.below(5000)} n" for word in WORDS]  # one of them may be 0
lines += ["北京 77", "清华 0", "华大 3 ns"]  # words again, and one without a tag
(folder / "dict.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

finalseg.start_P, finalseg.trans_P, finalseg.emit_P = start, step, emit
jieba.setLogLevel(60)
tokenizer = jieba.Tokenizer(str(folder / "dict.txt"))
groups = [FRAGMENTS["groups"][name] for name in ("chinese", "chinese", "chinese", "spaces")]
cuts = []
for index in range(TEXTS):
    text = "".join(pieces(Random(13, index), groups, 1 + index % 24))
    cuts.append([len(word) for word in tokenizer.cut(text)])
target = folder / "cuts.json"
target.write_text(json.dumps(cuts, separators=(",", ":")) + "\n")
print(target, target.stat().st_size, "bytes")
