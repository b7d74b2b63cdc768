# vismod: `make demo` and `make test` need Python 3.11+ and make, nothing else.
# Any setting below can be given on the command line: make demo DEMO_EPOCHS=20 THREADS=4

PYTHON ?=                 # a Python >= 3.11; empty: the first that is found
VENV ?= .venv
THREADS ?= 2              # CPU threads of the demo and of `make tiny`
JOBS ?= 2                 # notebooks tested at a time, one thread each
NB ?=                     # make test NB="00 01": only the notebooks whose names start like this
PORT ?= 7860              # where `make app` listens

# what `make reports` makes anew, e.g. REPORTS="video_edit"; empty: all of reports/plan.yaml
REPORTS ?=

# what `make restore` asks of its notebook, e.g. RESTORE="-p photos data/clean_train -p steps 5000"
RESTORE ?= -p config nbs/configs/restoration/quick.yaml -p out runs/13_restoration/quick

# what `make edit` asks of its notebook, e.g. EDIT="-p rgb_video film.mp4 -p max_frames 12"
EDIT ?=

# what `make pathways` asks of its notebook, e.g. PATHWAYS="-p image photo.jpg -p prompt 'the cup tips over' -p model cogvideox-i2v"
PATHWAYS ?=

# what `make remove` asks of its notebook, e.g. REMOVE="-p input_video bear.mp4 -p input_mask masks/bear -p mask_dilation_iter 8"
REMOVE ?=

# what `make experiments` asks of its notebook, e.g. EXPERIMENTS="-p spec sweep.yaml -p scheduler local"
EXPERIMENTS ?=

# what `make demo` asks of each notebook (papermill -p name value)
DEMO_EPOCHS ?= 10
DEMO_GHOSTING ?=
DEMO_TRAIN ?= -p epochs $(DEMO_EPOCHS)
DEMO_PREDICT ?= -p lora runs/02_train_lora/world-e$(strip $(DEMO_EPOCHS))/best
DEMO_PATHWAYS ?=
DEMO_EDIT ?=
DEMO_RESTORE ?=
DEMO_REMOVE ?=
DEMO_AUTO ?=
TINY_QWEN ?= -p out models/tiny/qwen-image-edit -p pictures 12000 -p vae_steps 2800 -p decoder_steps 1400 -p examples 12000 -p editor_steps 10500 -p held_out 64
TINY_CLIP ?= -p out models/tiny/clip -p edits 13000 -p steps 2300 -p batch 64 -p held_out 200
TINY_COG ?= -p out models/tiny/cogvideox-i2v -p films 6000 -p vae_steps 3800 -p steps 6600 -p batch 16 -p held_out 100
TINY_ERASER ?= -p out models/tiny -p films 1600 -p inpainter_steps 7500 -p picture_steps 3000 -p film_steps 2000 -p lora_steps 600 -p batch 48
TINY ?= -p out models/tiny/instruct-pix2pix -p pictures 10000 -p vae_steps 5000 -p edits 24000 -p unet_steps 6000 -p held_out 64 -p bf16 True

# ---------------------------------------------------------------------------------------------------------------------

BIN := $(strip $(VENV))/bin
STAMP := $(strip $(VENV))/.installed
CANDIDATES := $(or $(strip $(PYTHON)),python3.13 python3.12 python3.11 python3)
PIP := $(BIN)/python -m pip --disable-pip-version-check
QUIET_ENV := OMP_NUM_THREADS=$(strip $(THREADS)) MKL_NUM_THREADS=$(strip $(THREADS)) OPENBLAS_NUM_THREADS=$(strip $(THREADS)) \
	TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 JUPYTER_PREFER_ENV_PATH=1 MPLBACKEND=

.DEFAULT_GOAL := help
.PHONY: help install demo restore edit pathways remove experiments app test test-ui export tiny readme reports lab hooks constraints clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

install: $(STAMP)  ## create .venv and install everything, with the versions of constraints.txt

$(STAMP): setup.py settings.ini constraints.txt
	@test -x $(BIN)/python || { \
	  for python in $(CANDIDATES); do \
	    $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; python=; \
	  done; \
	  if test -z "$$python"; then \
	    echo "vismod needs Python 3.11 or newer with its venv module; tried: $(CANDIDATES)." >&2; \
	    echo "Install one (Debian/Ubuntu: apt install python3-venv; macOS: brew install python@3.12), or: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  echo "== $(VENV): $$($$python --version), $$(command -v $$python)"; \
	  $$python -m venv $(VENV); }
	@echo "== installing into $(VENV) (the first time downloads several GB, torch above all)"
	$(PIP) install -q -c constraints.txt setuptools wheel
	$(PIP) install -q -c constraints.txt --no-build-isolation --use-pep517 -e '.[dev,app,export,ui,vlm]'
	@touch $@

# $(call notebook,SOURCE,FOLDER,PARAMETERS): run nbs/SOURCE.ipynb into runs/FOLDER and show it as reports/FOLDER/SOURCE.html.
# The report is written after a failure too: it holds the error. An empty stdin, as papermill reads a notebook from a pipe.
define notebook
	@mkdir -p runs/$(2) reports/$(2); rm -f runs/$(2)/$(1).ipynb reports/$(2)/$(1).html
	@echo "== $(1) $(strip $(3))"
	@$(QUIET_ENV) $(BIN)/papermill nbs/$(1).ipynb runs/$(2)/$(1).ipynb --no-progress-bar --log-level WARNING $(3) </dev/null; status=$$?; \
	  $(BIN)/python -m vismod.reports html runs/$(2)/$(1).ipynb reports/$(2)/$(1).html; exit $$status
endef

demo: install  ## all five pipelines on the embedded world, with one page for everything: reports/demo/index.html
	$(call notebook,01_ghosting,demo,$(DEMO_GHOSTING))
	$(call notebook,02_train_lora,demo,$(DEMO_TRAIN))
	$(call notebook,03_predict,demo,$(DEMO_PREDICT))
	$(call notebook,04_pathways,demo,$(DEMO_PATHWAYS))
	$(call notebook,06_video_edit,demo,$(DEMO_EDIT))
	$(call notebook,10_remove,demo,$(DEMO_REMOVE))
	$(call notebook,11_auto_refine,demo,$(DEMO_AUTO))
	$(call notebook,13_restoration,demo,$(DEMO_RESTORE))
	@$(QUIET_ENV) $(BIN)/vismod report --folder reports/demo
	@echo "== done; open in a browser: $(CURDIR)/reports/demo/index.html"

restore: install  ## train, measure and export a small restoration network, with a report
	$(call notebook,13_restoration,restoration,$(RESTORE))

edit: install  ## draw a film from its edges with and without guidance, with a report
	$(call notebook,06_video_edit,edit,$(EDIT))

pathways: install  ## edit a picture along a path of film frames, with a report
	$(call notebook,04_pathways,pathways,$(PATHWAYS))

remove: install  ## remove an object from a film, with a report
	$(call notebook,10_remove,remove,$(REMOVE))

experiments: install  ## a sweep with its table, curves and pictures
	$(call notebook,14_experiments,experiments,$(EXPERIMENTS))

app: install  ## the app with a tab per pipeline, on this machine only
	$(BIN)/python -m vismod.app --port $(strip $(PORT))

test-ui: install  ## drive the app and JupyterLab in headless Chromium, and open every report offline (skipped with a message where it is missing)
	$(BIN)/python .ci/test_ui.py
	$(BIN)/python .ci/test_pages.py

test: install  ## check and test every notebook; ends with: N passed, M failed
	@JOBS=$(strip $(JOBS)) $(BIN)/python .ci/test.py $(NB)

export: install  ## clean the notebooks and export vismod/ from them
	$(BIN)/nbdev_clean
	$(BIN)/nbdev_export

tiny: install  ## train the tiny checkpoints in models/tiny anew
	$(call notebook,90_tiny_models,tiny,$(TINY))
	$(call notebook,01_ghosting,tiny,)
	$(call notebook,02_train_lora,tiny,-p epochs 50 -p out runs/02_train_lora/shipped -p resume False)
	$(BIN)/python -c "from vismod.lora import halve_lora; halve_lora('runs/02_train_lora/shipped/best', 'models/tiny/lora-world')"
	$(call notebook,90a_tiny_qwen,tiny,$(TINY_QWEN))
	$(call notebook,90b_tiny_clip,tiny,$(TINY_CLIP))
	$(call notebook,90c_tiny_cog,tiny,$(TINY_COG))
	$(call notebook,90d_tiny_eraser,tiny,$(TINY_ERASER))

readme: install  ## run nbs/index.ipynb and write README.md from it
	$(call notebook,index,readme,)
	$(BIN)/python -m vismod.reports readme runs/readme/index.ipynb README.md

reports: install  ## run reports/plan.yaml (hours), and write reports/index.html
	@$(QUIET_ENV) $(BIN)/vismod report $(if $(strip $(REPORTS)),$(REPORTS),--all)

lab: install  ## JupyterLab; notebooks are cleaned when saved
	$(BIN)/jupyter lab --config=.ci/jupyter_server_config.py

hooks: install  ## refuse commits that are not clean and exported
	git config core.hooksPath .githooks

constraints: install  ## renew constraints.txt from what is installed
	{ head -1 constraints.txt; $(PIP) freeze --all | grep -viE '^(-e|#|pip==)|@ file:'; } > constraints.new && mv constraints.new constraints.txt
	@touch $(STAMP)

clean:  ## remove the demo's output and caches; data, models, other runs and .venv stay
	rm -rf runs/demo reports/demo build dist *.egg-info
	find . -path ./$(strip $(VENV)) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -print | xargs rm -rf
