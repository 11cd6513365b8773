"""Learn to translate from pairs of sentences: a recurrent encoder-decoder with attention (Bahdanau et al. 2015).

    python examples/translate.py train --src train.de.gz --tgt train.en.gz --valid-src val.de.gz --valid-tgt val.en.gz \
        --out runs/m30k --epochs 8 --seed 0 --threads 2                     (Ctrl-C saves; go on with --resume)
    python examples/translate.py translate --run runs/m30k --beam 5 < test.de > test.hyp
    python examples/translate.py score --hyp test.hyp --ref test.en

The defaults are a recipe for the 29,000 pairs of Multi30k (https://github.com/multi30k/dataset, data/task1/raw). The
first two columns of one file do as well, here with sentences of at most ten words (https://www.manythings.org/anki/):

    python examples/translate.py train --pairs fra.txt --max-length 10 --out runs/fra

The folder of a run holds `config.json`, the vocabularies, `log.jsonl`, `perplexity.png`, and the models: `best.npz` has
the least perplexity on the validation pairs, `average.npz` is the mean of the last epochs, `last.npz` is to go on from.
"""

import argparse
import math
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import tinyrnn
from tinyrnn import CheckpointError, optim
from tinyrnn.nn import Ensemble, Hypothesis, Seq2Seq
from tinyrnn.nn.utils import clip_grad_norm_
from tinyrnn.nn.utils.rnn import pad_sequence
from tinyrnn.utils.arguments import fraction, half, nonnegative, positive, seed, threads
from tinyrnn.utils.data import BucketBatchSampler, Pieces, TextError, TokenBatchSampler, Vocabulary, Words
from tinyrnn.utils.data.text import read_columns, read_lines, read_parallel, split_by_hash
from tinyrnn.utils.extras import optional
from tinyrnn.utils.plots import draw_attention
from tinyrnn.utils.training import Run, options_of

# --- The data: pairs of sentences -------------------------------------------------------------------------------------

SOURCES = ("Data: Multi30k is found at https://github.com/multi30k/dataset, pairs of Tatoeba at "
           "https://www.manythings.org/anki/")


def read_data(args):
    """The pairs for training, validation and, when the split is ours, test."""
    if bool(args.src) != bool(args.tgt) or bool(args.valid_src) != bool(args.valid_tgt):
        sys.exit("--src and --tgt belong together, and so do --valid-src and --valid-tgt")
    pairs = read_columns(args.pairs) if args.pairs else read_parallel(args.src, args.tgt)
    if args.valid_src:
        return pairs, read_parallel(args.valid_src, args.valid_tgt), []
    return split_by_hash(pairs, args.held_out)


# --- Words and their numbers ------------------------------------------------------------------------------------------

class Language(NamedTuple):
    """How sentences are cut into tokens, and the numbers of those of each side."""

    tokens: Words | Pieces
    source: Vocabulary
    target: Vocabulary

    @classmethod
    def learn(cls, tokens, pairs, min_count):
        sides = (map(tokens.split, side) for side in zip(*pairs, strict=True))
        return cls(tokens, *(Vocabulary.from_iterable(side, min_freq=min_count) for side in sides))

    def save(self, folder):
        self.source.save(folder / "source.txt")
        self.target.save(folder / "target.txt")
        if isinstance(self.tokens, Pieces):
            (folder / "bpe.model").write_bytes(self.tokens.model)

    @classmethod
    def load(cls, folder):
        bpe = folder / "bpe.model"
        tokens = Pieces(bpe.read_bytes()) if bpe.exists() else Words()
        return cls(tokens, Vocabulary.load(folder / "source.txt"), Vocabulary.load(folder / "target.txt"))

    def encode(self, source, target):
        """The numbers of a pair, each with its end and the target with its beginning."""
        return (self.source.encode(self.tokens.split(source), eos=True),
                self.target.encode(self.tokens.split(target), bos=True, eos=True))


def padded(rows):
    """Lists of numbers -> one tensor (B, T) and their lengths."""
    return pad_sequence([tinyrnn.tensor(row) for row in rows], batch_first=True), [len(row) for row in rows]


class Batches:
    """Pairs of numbers in batches of similar length: `batch` pairs each, or `batch_tokens` tokens of either side."""

    def __init__(self, pairs, batch, batch_tokens=None):
        self.pairs, self.batch, self.batch_tokens = pairs, batch, batch_tokens
        self.lengths = [max(map(len, pair)) for pair in pairs]

    def order(self, seed=None):
        """Lists of places among the pairs; without a seed from short to long."""
        generator = None if seed is None else tinyrnn.Generator().manual_seed(seed)
        sampler = TokenBatchSampler if self.batch_tokens else BucketBatchSampler
        return list(sampler(self.lengths, self.batch_tokens or self.batch, seed is not None, generator=generator))

    def __getitem__(self, places):
        """source (B, S), source lengths, target (B, T + 1), and the number of tokens to be written"""
        sources, targets = zip(*(self.pairs[place] for place in places), strict=True)
        source, lengths = padded(sources)
        target, written = padded(targets)
        return source, lengths, target, sum(written) - len(written)


# --- Training ---------------------------------------------------------------------------------------------------------


def new_model(language, options):
    sizes = len(language.source), len(language.target), options["embedding"], options["hidden"], options["layers"]
    return Seq2Seq.build(*sizes, options["cell"], options["attention"], dropout=options["dropout"], tie=options["tie"],
                         bos=language.target.bos, eos=language.target.eos)


def new_schedule(name, optimizer, epochs):
    """How the learning rate goes from epoch to epoch: as it is, halved when validation stalls, or falling to zero."""
    if name == "plateau":
        return optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    return optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs) if name == "cosine" else None


def update(model, optimizer, batches, forcing, args):
    """One update from the mean loss of all tokens of some batches -> its sum, the tokens, the norm of the gradient."""
    total, tokens = 0.0, sum(batch[-1] for batch in batches)
    optimizer.zero_grad()
    for source, lengths, target, written in batches:
        loss = model.loss(source, target, lengths, forcing, args.label_smoothing) * (written / tokens)
        loss.backward()
        total += loss.item()
    norm = clip_grad_norm_(model.parameters(), args.clip).item()
    optimizer.step()
    return total * tokens, tokens, norm


def perplexity(model, data):
    """exp of the mean cross-entropy of the tokens, ends of sentences included."""
    model.eval()
    loss = tokens = 0
    with tinyrnn.no_grad():
        for source, lengths, target, written in map(data.__getitem__, data.order()):
            loss += model.loss(source, target, lengths).item() * written
            tokens += written
    model.train()
    return exp(loss / tokens)


def exp(loss):
    """A perplexity, which stays finite where the loss does not fit."""
    return math.exp(min(loss, 700.0))


def prepare(args):
    """The language, the pairs for training, validation and test as text, and the first two as numbers."""
    parts = read_data(args)
    tokens = Pieces.learn([text for pair in parts[0] for text in pair], args.bpe) if args.bpe else Words()
    parts = [[pair for pair in part if all(0 < len(tokens.split(text)) <= args.max_length for text in pair)]
             for part in parts]
    for name, part in zip(("training", "validation"), parts, strict=False):
        if not part:
            sys.exit(f"There are no pairs for {name} with 1 to {args.max_length} tokens on each side")
    language = Language.learn(tokens, parts[0], args.min_count)
    data = [Batches([language.encode(*pair) for pair in part], args.batch, args.batch_tokens) for part in parts[:2]]
    if args.batch_tokens and args.batch_tokens < (longest := max(max(part.lengths) for part in data)):
        sys.exit(f"--batch-tokens {args.batch_tokens} is too small for a sentence of {longest} tokens")
    return language, parts, data


def save_texts(folder, language, test):
    """What translating and scoring need besides the models, in place of what a run that was cut short left."""
    for name in ("bpe.model", "test.src", "test.tgt"):
        (folder / name).unlink(missing_ok=True)
    language.save(folder)
    for name, side in zip(("test.src", "test.tgt"), zip(*test, strict=True), strict=False):
        (folder / name).write_text("".join(line + "\n" for line in side), encoding="utf-8")


def train(args):
    """Trains, saving every epoch and at Ctrl-C."""
    if args.tie and args.embedding != args.hidden:
        sys.exit(f"--tie needs --embedding {args.embedding} and --hidden {args.hidden} to be equal")
    tinyrnn.set_num_threads(args.threads)
    tinyrnn.manual_seed(args.seed)
    language, texts, (data, valid) = prepare(args)
    model = new_model(language, vars(args))
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    schedule = new_schedule(args.schedule, optimizer, args.epochs)
    parts = {"model": model, "optimizer": optimizer} | ({"schedule": schedule} if schedule else {})
    config = {name: value for name, value in vars(args).items() if name not in ("command", "out")}
    config |= {"data": zlib.crc32(repr(texts).encode()), "falls_to": args.epochs if args.schedule == "cosine" else None}
    run = Run(args.out, parts, config, args.resume, best="valid_ppl")
    save_texts(args.out, language, texts[2])
    print(f"{len(data.pairs)} pairs, {len(language.source)} and {len(language.target)} tokens, "
          f"{sum(p.numel() for p in model.parameters())} parameters")
    for epoch in run.epochs(args.epochs):
        forcing = max(0.0, 1 - args.scheduled_sampling * (epoch - 1))
        order = data.order(seed=1000 * args.seed + epoch)
        for places in run.steps([order[i:i + args.accumulate] for i in range(0, len(order), args.accumulate)]):
            loss, tokens, norm = update(model, optimizer, [data[batch] for batch in places], forcing, args)
            run.add(loss=loss, tokens=tokens, norm=norm, steps=1)
            run.show(ppl=f"{exp(loss / tokens):.1f}", norm=f"{norm:.2f}",
                     tokens_per_second=f"{run.totals['tokens'] / run.seconds():.0f}")
        end_epoch(run, valid, schedule, args)


def end_epoch(run, valid, schedule, args):
    """Measures, notes and keeps what an epoch has brought."""
    totals, speed = run.totals, run.totals["tokens"] / run.seconds()
    valid_ppl = perplexity(run.parts["model"], valid)
    if schedule:
        schedule.step(*[valid_ppl] * (args.schedule == "plateau"))
    keep_average(run, args.average)
    run.log(train_ppl=exp(totals["loss"] / totals["tokens"]), valid_ppl=valid_ppl, tokens_per_second=speed,
            gradient_norm=totals["norm"] / totals["steps"])
    if args.patience and run.since_best() >= args.patience:
        run.stop()
    run.draw(run.folder / "perplexity.png", {"train": "train_ppl", "valid": "valid_ppl"}, "perplexity", log_y=True)


def keep_average(run, last):
    """Writes `average.npz`: the mean of the parameters at the ends of the `last` epochs."""
    epoch = len(run.history) + 1
    files = [run.folder / f"epoch-{e}.npz" for e in range(max(1, epoch - last), epoch + 1)]
    tinyrnn.save(run.parts["model"].state_dict(), files[-1])
    if len(files) > last:
        files.pop(0).unlink(missing_ok=True)
    states = [tinyrnn.load(file) for file in files]
    mean = {name: sum(state[name] for state in states) / len(states) for name in states[0]}
    tinyrnn.save(mean, run.folder / "average.npz")


# --- Translating ------------------------------------------------------------------------------------------------------


def load_model(folder, checkpoint):
    """The model of a run and its language."""
    names = "embedding", "hidden", "layers", "cell", "attention", "dropout", "tie"
    options = options_of(folder, *names, checkpoint=checkpoint)
    language = Language.load(folder)
    model = new_model(language, options)
    saved = tinyrnn.load(folder / checkpoint)
    model.load_state_dict(saved.get("model", saved))
    return model.eval(), language


def load_models(folders, checkpoints):
    """One model, or an Ensemble of every checkpoint of every folder, their language, and if they have attention."""
    models, languages = zip(*(load_model(folder, name) for folder in folders for name in checkpoints), strict=True)
    if any(language[1:] != languages[0][1:] for language in languages):
        sys.exit("These runs have different vocabularies, so their models cannot translate together")
    attends = any(model.decoder.attention is not None for model in models)
    return models[0] if len(models) == 1 else Ensemble(models), languages[0], attends


def search(model, language, sentences, args):
    """The hypotheses for each sentence, a list of tokens that is not empty."""
    rows, found = [language.source.encode(tokens, eos=True) for tokens in sentences], [None] * len(sentences)
    with optional("tqdm").tqdm(total=len(rows), unit="sentence", leave=False) as bar:
        for places in BucketBatchSampler([len(row) for row in rows], args.batch, shuffle=False):
            source, lengths = padded([rows[place] for place in places])
            best = model.beam(source, lengths, args.max_output, args.beam, args.length_penalty, args.n_best,
                              args.coverage_penalty)
            for place, hypotheses in zip(places, best, strict=True):
                found[place] = hypotheses
            bar.update(len(places))
    return found


def written(hypothesis, sentence, target, keep_unknown=False):
    """The tokens of a translation. An unknown one becomes the source token that the model looked at most."""
    tokens = [target[number] for number in hypothesis.tokens]
    if keep_unknown or hypothesis.attention is None or not tokens:
        return tokens
    looked = hypothesis.attention[:, :len(sentence)].argmax(1)
    return [sentence[place] if number == target.unk else token
            for number, token, place in zip(hypothesis.tokens, tokens, looked, strict=True)]


def translate(args):
    """Writes the translation of every line; an empty line stays empty."""
    tinyrnn.set_num_threads(args.threads)
    if args.n_best > args.beam:
        sys.exit(f"--n-best {args.n_best} needs a --beam that is not smaller")
    model, language, attends = load_models(args.run, args.checkpoint)
    if not attends and (args.attention or args.coverage_penalty):
        sys.exit("--attention and --coverage-penalty need a model with attention")
    lines = read_lines(args.input or sys.stdin.buffer)
    sentences = [language.tokens.split(line) for line in lines]
    full = [place for place, sentence in enumerate(sentences) if sentence]
    found = dict(zip(full, search(model, language, [sentences[place] for place in full], args), strict=True))
    shown = []
    sys.stdout.reconfigure(encoding="utf-8")
    for place, sentence in enumerate(sentences):
        for hypothesis in found.get(place, [Hypothesis([], 0.0, None)]):
            tokens = written(hypothesis, sentence, language.target, args.keep_unknown)
            if tokens and len(shown) < 4:
                shown.append(([*sentence, "<eos>"], tokens, hypothesis.attention))
            text = language.tokens.join(tokens)
            print(f"{place + 1}\t{hypothesis.score:.4f}\t{text}" if args.scores or args.n_best > 1 else text)
    if args.attention and shown:
        draw_attention(args.attention, shown)


def score(args):
    """BLEU and chrF of a corpus (Papineni et al. 2002, Popović 2015), as sacrebleu computes them."""
    metrics = optional("sacrebleu.metrics")
    translations, references = read_lines(args.hyp), [read_lines(path) for path in args.ref]
    for path, reference in zip(args.ref, references, strict=True):
        if len(reference) != len(translations):
            sys.exit(f"{args.hyp} has {len(translations)} lines, {path} has {len(reference)}")
    for metric in metrics.BLEU(lowercase=not args.cased), metrics.CHRF(lowercase=not args.cased):
        print(metric.corpus_score(translations, references))
        print(f"    {metric.get_signature()}")


# --- The command ------------------------------------------------------------------------------------------------------


def add_training(parser):
    add = parser.add_argument
    pairs, held_out, size = (parser.add_mutually_exclusive_group(required=i == 0) for i in range(3))
    pairs.add_argument("--pairs", type=Path, help="a file whose first two columns, separated by a tab, are the pairs")
    pairs.add_argument("--src", type=Path, help="instead: text, one sentence a line, plain or gzipped")
    add("--tgt", type=Path, help="the translation of every line")
    held_out.add_argument("--held-out", type=half, default=0.01, help="share for validation, and as much for tests")
    held_out.add_argument("--valid-src", type=Path, help="instead: text for validation")
    add("--valid-tgt", type=Path, help="its translation")
    add("--max-length", type=positive, default=100, help="tokens; pairs with a longer side are left out")
    add("--min-count", type=positive, default=2, help="tokens that are rarer in training are unknown")
    add("--bpe", type=positive, help="use so many pieces of words instead of words (needs sentencepiece)")
    add("--embedding", type=positive, default=256, help="features of a token")
    add("--hidden", type=positive, default=256, help="units of each direction of the encoder, and of the decoder")
    add("--layers", type=positive, default=1, help="of the encoder, and of the decoder")
    add("--cell", choices=("gru", "lstm"), default="gru", help="the recurrent layer")
    add("--no-attention", dest="attention", action="store_false", help="as Cho et al. 2014")
    add("--tie", action="store_true", help="one matrix for the decoder's embedding and its output")
    add("--dropout", type=fraction, default=0.3, help="share of features left out in training")
    add("--label-smoothing", type=fraction, default=0.0, help="is part of the training perplexity, not of validation's")
    add("--scheduled-sampling", type=fraction, default=0.0, help="the probability that the decoder reads its own last "
        "token and not the right one grows by this in each epoch (Bengio et al. 2015)")
    add("--epochs", type=positive, default=8, help="times through the data")
    size.add_argument("--batch", type=positive, default=64, help="pairs in a batch")
    size.add_argument("--batch-tokens", type=positive, help="instead: tokens of either side, padding included")
    add("--accumulate", type=positive, default=1, help="batches in an update")
    add("--lr", type=nonnegative, default=1e-3, help="Adam's learning rate")
    add("--clip", type=nonnegative, default=1.0, help="the largest norm of the gradient")
    add("--schedule", choices=("none", "plateau", "cosine"), default="none", help="of the learning rate, by epochs")
    add("--patience", type=positive, help="stop after so many epochs without a better validation perplexity")
    add("--average", type=positive, default=3, help="epochs whose models are averaged in average.npz")
    add("--seed", type=seed, default=0, help="of everything random")
    add("--threads", type=threads, default=2, help="processor threads")
    add("--out", type=Path, default=Path("runs/translate"), help="the folder of the run")
    add("--resume", action="store_true", help="go on with a training that was interrupted")


def add_translating(parser):
    add, parser.usage = parser.add_argument, "%(prog)s [input] [options]"       # --run would take the input as well
    add("input", nargs="?", type=Path, help="text to translate; without it, standard input")
    add("--run", type=Path, nargs="+", default=[Path("runs/translate")], help="folders; several: their models together")
    add("--checkpoint", nargs="+", default=["best.npz"], help="its files; several: the same")
    add("--beam", type=positive, default=5, help="1 is greedy")
    add("--n-best", type=positive, default=1, help="so many translations of a line, as number, score and text")
    add("--scores", action="store_true", help="the same for the best alone")
    add("--length-penalty", type=nonnegative, default=1.0, help="alpha of Wu et al. 2016, equation 14")
    add("--coverage-penalty", type=nonnegative, default=0.0, help="beta of the same equation")
    add("--max-output", type=positive, default=100, help="tokens of a translation")
    add("--keep-unknown", action="store_true", help="write <unk>; otherwise the source word most looked at")
    add("--attention", type=Path, help="a picture of where the model looked in the first sentences")
    add("--batch", type=positive, default=32, help="sentences that are translated together")
    add("--threads", type=threads, default=2, help="processor threads")


def add_scoring(parser):
    parser.add_argument("--hyp", type=Path, required=True, help="translations, one a line")
    parser.add_argument("--ref", type=Path, required=True, nargs="+", help="one or more references")
    parser.add_argument("--cased", action="store_true", help="as is; otherwise both sides are lower-cased")


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Learn to translate, translate, and score translations.")
    commands = parser.add_subparsers(required=True)
    for run, add in (train, add_training), (translate, add_translating), (score, add_scoring):
        command = commands.add_parser(run.__name__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        add(command)
        command.set_defaults(command=run)
    args = parser.parse_args(arguments)
    try:
        args.command(args)
    except (FileNotFoundError, TextError, CheckpointError) as error:
        sys.exit(str(error) if isinstance(error, ValueError) else f"{error.filename} is not there. {SOURCES}")


if __name__ == "__main__":
    main()
